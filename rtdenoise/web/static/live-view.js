// The second view: live sound, made by another process, seen and steered from here.

import { whenColoursChange } from "./colours.js";
import { $, ask, bindLimit, clock, complain, limitOf, minus, signed, step } from "./dom.js";
import { Shades, prepare, quantile, spectrogram, timeAxis } from "./plot.js";
import { Stream } from "./spectrum.js";

const SECONDS = 10, COLUMNS = 800, QUIET = 1e-8;
let state = null, socket = null, streams = null, shades = null, painted = [0, 0], top = -30, topAge = 0;
let reductions = [], before = null, changing = false, generation = -1, setLimit = null, messagesShown = "", begun = 0;

function connect() {
  socket = new WebSocket(`ws://${location.host}/api/live`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? update(JSON.parse(data)) : listen(data));
  socket.onclose = () => setTimeout(connect, 1000);
}

const wish = (order) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(order));

function update(now) {
  state = now;
  if (now.generation !== generation) {
    generation = now.generation;
    [streams, before, reductions, begun] = [null, null, [], 0];
  }
  $("live-lamp").hidden = !now.running;
  $("running").hidden = !now.running;
  $("setup").hidden = $("setup-hint").hidden = now.running && !changing;
  $("start").textContent = now.running ? "Change" : "Start";
  $("told").hidden = now.running || !now.told?.length;
  $("told").classList.toggle("failed", Boolean(now.failed));
  $("told").textContent = (now.failed ? now.told?.slice(-1) : now.told)?.join("\n") ?? "";
  if (now.running && !$("view-live").hidden) showReadings(now.readings, now.wanted);
}

function showReadings(r, wanted) {
  $("ends").textContent = r ? `${r.source} → ${r.sink}` : `starting: ${wanted.input} → ${wanted.output}`;
  if (!r) {
    $("live-facts").textContent = "the model is warmed up and the devices are opened";
    return;
  }
  const rates = [...new Set([r.sample_rate, r.sink_rate])].map((rate) => `${rate / 1000} kHz`).join(" → ");
  $("live-facts").textContent = `${clock(r.seconds)} · ${r.model} · ${rates}`;
  press_($("bypass"), r.bypass);
  press_($("mute"), r.muted);
  press_($("rec"), r.recording);
  if (document.activeElement !== $("live-limit")) setLimit(r.attenuation_limit_db);
  meter("level-in", r.input_rms_db, r.input_peak_db);
  meter("level-out", r.output_rms_db, r.output_peak_db);
  reduce(r);
  number("latency-now", r.latency_ms.toFixed(0), "ms");
  number("load", (100 * r.load).toFixed(1), "%", r.load > 1 ? "alarm" : r.load > 0.5 ? "care" : "");
  number("underruns", r.underruns, "", r.underruns ? "care" : "");
  number("overload", r.overload_seconds.toFixed(1), "s", r.overload_seconds ? "care" : "");
  number("drift", signed(r.drift_ppm).replace(/\.\d/, ""), "ppm");
  if (r.messages.join("\n") !== messagesShown) showMessages(r.messages);
  before = r;
}

// How much softer the output is than the input, over the last second.
function reduce(r) {
  if (before && r.seconds > before.seconds) {
    const entered = r.input_energy - before.input_energy, left = r.output_energy - before.output_energy;
    const heard = entered > QUIET * r.sample_rate * (r.seconds - before.seconds);
    reductions = [...reductions.slice(-9), heard ? [entered, left] : [0, 0]];
  }
  const [entered, left] = reductions.reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
  const db = entered > 0 ? 10 * Math.log10(entered / Math.max(left, 1e-6 * entered)) : NaN;
  if (r.muted || Number.isNaN(db)) number("reduction", "–", "");
  else number("reduction", Math.max(0, db).toFixed(1), "dB");
}

function press_(button, is) {
  button.setAttribute("aria-pressed", String(is));
}

function number(id, value, unit, manner = "") {
  const place = $(id);
  place.className = manner;
  place.replaceChildren(String(value), ...(unit ? [Object.assign(document.createElement("small"), { textContent: ` ${unit}` })] : []));
}

function meter(id, rms, peak) {
  const share = (db) => Math.min(1, Math.max(0, 1 + db / 60));
  $(id).style.setProperty("--level", share(rms));
  $(id).style.setProperty("--peak", share(peak));
  $(id).setAttribute("aria-valuenow", Math.max(-60, rms).toFixed(0));
  $(`${id}-text`).textContent = rms <= -100 ? "silent" : `${minus(rms.toFixed(1))} dB`;
}

function showMessages(messages) {
  messagesShown = messages.join("\n");
  $("messages").replaceChildren(...messages.map((message) => {
    const item = document.createElement("li"), time = document.createElement("time");
    time.textContent = message.slice(0, 8);
    item.append(time, message.slice(9));
    return item;
  }));
  $("messages").scrollTop = $("messages").scrollHeight;
}

function listen(data) {
  const r = state?.readings;
  if (!r) return;
  const [inLength, outLength] = new Uint32Array(data, 0, 2);
  if (!streams || streams[0].rate !== r.sample_rate || streams[1].rate !== r.sink_rate) {
    streams = [r.sample_rate, r.sink_rate].map((rate) => new Stream(rate, SECONDS, COLUMNS));
    shades = [0, 1].map(() => new Shades(COLUMNS));
    painted = [-COLUMNS, -COLUMNS];
  }
  streams[0].push(new Float32Array(data, 8, inLength));
  streams[1].push(new Float32Array(data, 8 + 4 * inLength, outLength));
  if (!$("view-live").hidden) requestAnimationFrame(draw);
}

function draw() {
  if (!streams || $("running").hidden) return;
  const high = innerWidth < 760 ? 120 : 168, gap = 12;
  if (++topAge % 20 === 1) {
    const wanted = Math.min(-12, Math.max(-66, 6 * Math.ceil(quantile(streams[0].levels, 0.997) / 6)));
    if (wanted !== top) [top, painted] = [wanted, [-COLUMNS, -COLUMNS]];
  }
  const [context, width] = prepare($("scope"), 2 * high + gap + 30);
  ["Before", "After"].forEach((label, i) => {
    const { drawn, levels, rate } = streams[i];
    if (drawn - painted[i] >= COLUMNS || painted[i] < 0) shades[i].paint(levels, top);
    else {
      const from = painted[i] % COLUMNS, to = drawn % COLUMNS;
      if (from <= to) shades[i].paint(levels, top, from, to);
      else {
        shades[i].paint(levels, top, from, COLUMNS);
        shades[i].paint(levels, top, 0, to);
      }
    }
    painted[i] = drawn;
    const oldest = drawn % COLUMNS, share = 1 - oldest / COLUMNS;
    const parts = [[oldest, COLUMNS - oldest, 0, share], [0, oldest, share, 1 - share]];
    spectrogram(context, width, i * (high + gap), high, shades[i], rate, label, parts);
  });
  timeAxis(context, width, 2 * high + gap, -SECONDS, 0);
}

const USUAL = {
  input: [["mic", "Default microphone"], ["virtual-speakers", "Denoised speakers (what a call plays)"]],
  output: [["speakers", "Default loudspeakers"], ["virtual-mic", "Denoised microphone (for a call)"]],
};

function offer(devices) {
  for (const end of ["input", "output"]) {
    const kept = $(end).value || localStorage.getItem(end);
    const options = [...USUAL[end], ...devices[end].map((device) => [device, device])];
    $(end).replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    const wanted = [kept, localStorage.getItem(end)].find((name) => options.some(([value]) => value === name));
    if (wanted) $(end).value = wanted;
  }
}

const listDevices = async () => offer(await (await ask("/api/devices")).json());

async function run(event) {
  event.preventDefault();
  complain("");
  $("start").disabled = true;
  const wanted = {
    input: $("input").value, output: $("output").value, model: $("live-model").value, latency: $("latency").value,
    attenuation_limit_db: limitOf($("live-limit")),
  };
  for (const end of ["input", "output"]) localStorage.setItem(end, wanted[end]);
  try {
    update(await (await ask("/api/live", { method: "POST", body: JSON.stringify(wanted) })).json());
    changing = false;
    $("stop").focus();
  } catch (error) {
    complain(error.message);
  }
  $("start").disabled = false;
}

async function stop() {
  try {
    update(await (await ask("/api/live", { method: "DELETE" })).json());
    $("start").focus();
  } catch (error) {
    complain(error.message);
  }
}

const flip = (name, button) => wish({ [name]: button.getAttribute("aria-pressed") !== "true" });

export function press(key) {
  if ($("running").hidden) return false;
  const actions = {
    b: () => $("bypass").click(),
    m: () => $("mute").click(),
    r: () => $("rec").click(),
    s: stop,
    "-": () => step($("live-limit"), -3),
    "+": () => step($("live-limit"), 3),
    "=": () => step($("live-limit"), 3),
  };
  actions[key]?.();
  return key in actions;
}

export function start() {
  offer({ input: [], output: [] });
  setLimit = bindLimit($("live-limit"), $("live-limit-text"), (limit) => wish({ attenuation_limit_db: limit }));
  $("setup").addEventListener("submit", run);
  $("refresh").addEventListener("click", () => listDevices().catch((error) => complain(error.message)));
  $("change").addEventListener("click", () => { changing = !changing; update(state); if (changing) $("input").focus(); });
  $("stop").addEventListener("click", stop);
  $("bypass").addEventListener("click", () => flip("bypass", $("bypass")));
  $("mute").addEventListener("click", () => flip("muted", $("mute")));
  $("rec").addEventListener("click", () => flip("recording", $("rec")));
  whenColoursChange(() => { painted = [-COLUMNS, -COLUMNS]; requestAnimationFrame(draw); });
  addEventListener("resize", () => requestAnimationFrame(draw));
  connect();
}

let listed = false;
export function shown() {
  if (!listed) listDevices().catch((error) => complain(error.message));
  listed = true;
  painted = [-COLUMNS, -COLUMNS];
  if (state) update(state);
}
