// Colours for canvases, and a colour map whose steps look equally large: lightness in OKLCH rises evenly with the level.

function srgb(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function inGamut(lightness, chroma, hue) {
  let colour = srgb(lightness, chroma, hue);
  while (chroma > 0 && colour.some((value) => value < -1e-4 || value > 1.0001)) {
    chroma -= 0.004;
    colour = srgb(lightness, chroma, hue);
  }
  return colour.map((value) => {
    const v = Math.min(1, Math.max(0, value));
    return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
  });
}

function map(first, last, chromas, hues) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const place = i / 255;
    const [r, g, b] = inGamut(first + (last - first) * place, along(chromas, place), along(hues, place));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return table;
}

function along(values, place) {
  const at = place * (values.length - 1);
  const i = Math.min(values.length - 2, Math.floor(at));
  return values[i] + (values[i + 1] - values[i]) * (at - i);
}

const DARK = {
  dark: true, ink: "#dfe7ec", faint: "#8796a3", line: "#ffffff1c", ground: "#0b1014", accent: "#35cfaa", fill: "#35cfaa3d", chip: "#0b1014b0",
  map: map(0.14, 0.96, [0.02, 0.1, 0.13, 0.12, 0.13, 0.15, 0.08], [262, 255, 215, 180, 155, 115, 100]),
};
const LIGHT = {
  dark: false, ink: "#15211d", faint: "#5c6b65", line: "#15211d17", ground: "#f1f5f3", accent: "#0e7c69", fill: "#0e7c692e", chip: "#ffffffc4",
  map: map(0.97, 0.22, [0.008, 0.05, 0.1, 0.12, 0.13, 0.12, 0.08], [150, 160, 175, 195, 225, 258, 272]),
};

const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = [];

export const isDark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
export const palette = () => (isDark() ? DARK : LIGHT);
export const whenColoursChange = (listener) => listeners.push(listener);

export function bindTheme(button) {
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    listeners.forEach((listener) => listener());
  };
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    localStorage.setItem("theme", wanted);
    show();
  });
  system.addEventListener("change", show);
  show();
}
