// Small things that all parts of the page share.

export const $ = (id) => document.getElementById(id);

export function clock(seconds, decimals = 0) {
  const tenths = Math.floor(Math.max(0, seconds) * 10 ** decimals + 1e-6) / 10 ** decimals;
  const minutes = Math.floor(tenths / 60);
  const rest = (tenths - 60 * minutes).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return `${minutes}:${rest}`;
}

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;
export const minus = (text) => String(text).replace("-", "−");

export function complain(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

export const ENDED = "rtdenoise web may have been ended. Start it again and open the address it prints.";

// A request to this page's own server; what it refuses becomes an Error with its words.
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`nobody answers: ${ENDED}`);
  }
  if (answer.ok) return answer;
  const body = await answer.text();
  let text = body;
  try {
    text = JSON.parse(body).error;
  } catch { /* plain text */ }
  throw new Error(text || `the server says ${answer.status}`);
}

export const about = ask("/api/about").then((answer) => answer.json());

// A slider whose last place means "none".
export function bindLimit(slider, output, changed) {
  const show = () => {
    const limit = limitOf(slider);
    output.textContent = limit === null ? "none" : `${limit} dB`;
    slider.setAttribute("aria-valuetext", limit === null ? "no limit" : `at most ${limit} decibels`);
    slider.style.setProperty("--at", `${(100 * (slider.value - slider.min)) / (slider.max - slider.min)}%`);
  };
  slider.addEventListener("input", () => {
    show();
    changed(limitOf(slider));
  });
  show();
  return (limit) => {
    slider.value = limit === null ? slider.max : Math.min(limit, slider.max - 1);
    show();
  };
}

export const limitOf = (slider) => (slider.value === slider.max ? null : Number(slider.value));

export function step(slider, by) {
  slider.value = Number(slider.value) + by;
  slider.dispatchEvent(new Event("input"));
}
