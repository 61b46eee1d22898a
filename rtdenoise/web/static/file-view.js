// The first view: a recording before and after.

import { palette, whenColoursChange } from "./colours.js";
import { $, ENDED, about, ask, bindLimit, clock, complain, limitOf, signed, step } from "./dom.js";
import { bindRecorder, drawArt } from "./empty-view.js";
import { Player } from "./player.js";
import { LEFT, RIGHT, Shades, gainCurve, prepare, quantile, spectrogram, timeAxis } from "./plot.js";
import { Take } from "./take.js";

const BYTES_OF_MB = 1 << 20;
let take = null, shades = null, frame = 0, playing = false, drawing = false, name = "", top = -35;
let denoiseTimer = 0;

const side = () => document.querySelector('input[name="side"]:checked').value;
const settings = () => {
  const limit = limitOf($("limit"));
  return { model: $("model").value, ...(limit === null ? {} : { limit }) };
};

async function load(bring, called) {
  complain("");
  performance.mark("dropped");
  $("drop").classList.add("busy");
  try {
    const info = await (await bring()).json();
    close();
    name = called;
    const channels = info.channels <= 2 ? info.channels : 1;
    const player = await Player.open(info.sample_rate, channels, info.frames, heard);
    take = new Take(info, player, channels, changed, (error) => complain(error.message));
    shades = [0, 1].map(() => new Shades(take.columns));
    [frame, top] = [0, -35];
    player.choose(side() === "after" ? 1 : 0);
    denoise();
    take.readBefore().catch(() => {});
    describe(info);
    show("stage");
    $("play").focus({ preventScroll: true });
    setPlaying(true);
    if (!(await player.play()) && take?.player === player) { // the browser wants a click first
      player.pause();
      setPlaying(false);
    }
  } catch (error) {
    complain(error.message);
    if (!take) show("drop");
  }
  $("drop").classList.remove("busy");
}

async function loadFile(file) {
  const { limits } = await about;
  if (file.size > limits.bytes) {
    complain(`the file is too large: the page takes up to ${limits.bytes / BYTES_OF_MB} MB; for more there is rtdenoise --input FILE --output FILE`);
    return;
  }
  await load(() => ask("/api/files", { method: "POST", body: file }), file.name || "recording");
}

function describe({ sample_rate: rate, channels, subtype }) {
  $("file-name").textContent = name;
  const shape = channels === 1 ? "mono" : channels === 2 ? "stereo" : `${channels} channels, played as one`;
  $("file-facts").textContent = `${clock(take.seconds, 1)} · ${rate / 1000} kHz · ${shape} · ${subtype.replace("_", " ")}`;
  $("length").textContent = ` / ${clock(take.seconds, 1)}`;
  $("seek").setAttribute("aria-valuemax", take.seconds.toFixed(1));
  place(0);
}

function close() {
  take?.close();
  take = null;
  setPlaying(false);
}

function show(part) {
  for (const id of ["drop", "recording", "stage"]) $(id).hidden = id !== part;
}

function heard(report) {
  if (report.sounded) performance.mark("sounded");
  if (report.ended) setPlaying(false);
  if (report.place !== undefined) place(report.place);
}

function place(now) {
  if (!take) return;
  frame = now;
  const seconds = frame / take.sample_rate;
  const text = clock(seconds, 1);
  if ($("now").textContent !== text) {
    $("now").textContent = text;
    $("seek").setAttribute("aria-valuenow", seconds.toFixed(1));
    $("seek").setAttribute("aria-valuetext", `${seconds.toFixed(1)} seconds`);
  }
  drawCursor();
}

function setPlaying(is) {
  playing = is;
  $("play").classList.toggle("playing", is);
  $("play").setAttribute("aria-label", is ? "Pause" : "Play");
}

function toggle() {
  if (!take) return;
  if (playing) take.player.pause();
  else take.player.play();
  setPlaying(!playing);
}

function seek(seconds) {
  const wanted = Math.round(Math.min(take.frames - 1, Math.max(0, seconds * take.sample_rate)));
  take.player.seek(wanted);
  place(wanted);
  if (!take.isKnown(wanted)) denoise();
}

const denoise = () => { take.denoise(settings(), frame).catch(() => {}); };

// Fetched here and not by the browser, which would keep to itself why it cannot.
async function download() {
  const link = document.createElement("a");
  link.download = `${name.replace(/\.[^.]*$/, "") || "recording"}-denoised.wav`;
  $("download").disabled = true;
  try {
    const result = await ask(`/api/files/${take.key}/result?${new URLSearchParams(settings())}`);
    link.href = URL.createObjectURL(await result.blob());
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    complain(error instanceof TypeError ? `the result broke off: ${ENDED}` : error.message);
  }
  $("download").disabled = false;
}

function soon() {
  if (!take) return;
  clearTimeout(denoiseTimer);
  denoiseTimer = setTimeout(denoise, 60);
}

function level() {
  if (!take) return;
  const match = $("match").checked;
  const down = match ? take.turnedDown : [0, 0];
  take.player.level(down.map((db) => 10 ** (-db / 20)));
  const louder = down[0] > down[1] ? 0 : 1;
  $("matched").textContent = match && down[louder] >= 0.05 ? `${["before", "after"][louder]} ${signed(-down[louder])} dB` : "";
}

function changed() {
  level();
  if (!drawing) requestAnimationFrame(draw);
  drawing = true;
}

function draw() {
  drawing = false;
  if (!take || $("stage").hidden || $("view-file").hidden) return;
  const narrow = innerWidth < 760;
  const high = narrow ? 132 : 160, low = narrow ? 84 : 92, gap = 12;
  if (take.hasBefore && top === -35) top = Math.min(-10, quantile(take.pictures[0].levels, 0.9985));
  const [context, width] = prepare($("picture"), 2 * high + low + 2 * gap + 30);
  ["Before", "After"].forEach((label, i) => {
    shades[i].paint(take.pictures[i].levels, top);
    spectrogram(context, width, i * (high + gap), high, shades[i], take.sample_rate, label, [[0, take.columns, 0, 1]]);
  });
  const last = 2 * (high + gap);
  gainCurve(context, width, last, low, take.gains, "Gain");
  timeAxis(context, width, last + low, 0, take.seconds);
  drawCursor();
}

function drawCursor() {
  const height = $("picture").clientHeight;
  if (!height) return;
  const [context, width] = prepare($("cursor"), height);
  const x = LEFT + (width - LEFT - RIGHT) * (frame / take.frames);
  context.fillStyle = palette().ink;
  context.fillRect(x - 0.75, 0, 1.5, height - 30);
  context.beginPath();
  context.arc(x, height - 29, 4.5, 0, 7);
  context.fill();
}

function another() {
  close();
  show("drop");
  $("choose").focus();
}

export function press(key) {
  if ($("stage").hidden || !take) return false;
  const actions = {
    " ": toggle,
    x: () => choose(side() === "after" ? "before" : "after"),
    ArrowLeft: () => seek(frame / take.sample_rate - 1),
    ArrowRight: () => seek(frame / take.sample_rate + 1),
    Home: () => seek(0),
    End: () => seek(take.seconds),
    "-": () => step($("limit"), -1),
    "+": () => step($("limit"), 1),
    "=": () => step($("limit"), 1),
    d: () => $("download").click(),
    o: another,
  };
  actions[key]?.();
  return key in actions;
}

function choose(wanted) {
  document.querySelector(`input[name="side"][value="${wanted}"]`).checked = true;
  take?.player.choose(wanted === "after" ? 1 : 0);
}

export async function start() {
  drawArt();
  bindLimit($("limit"), $("limit-text"), soon);
  $("choose").addEventListener("change", ({ target }) => {
    if (target.files.length) loadFile(target.files[0]);
    target.value = "";
  });
  $("sample").addEventListener("click", () => load(() => ask("/api/sample", { method: "POST" }), "a noisy conversation"));
  bindRecorder(show, loadFile);
  $("another").addEventListener("click", another);
  $("play").addEventListener("click", toggle);
  $("match").addEventListener("change", level);
  $("download").addEventListener("click", download);
  $("model").addEventListener("change", soon);
  document.querySelectorAll('input[name="side"]').forEach((input) => input.addEventListener("change", () => choose(input.value)));
  const toPointer = ({ clientX }) => {
    const box = $("seek").getBoundingClientRect();
    seek((take.seconds * (clientX - box.left - LEFT)) / (box.width - LEFT - RIGHT));
  };
  $("seek").addEventListener("pointerdown", (event) => { $("seek").setPointerCapture(event.pointerId); toPointer(event); });
  $("seek").addEventListener("pointermove", (event) => { if (event.buttons && take) toPointer(event); });
  addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file && !$("view-file").hidden) loadFile(file);
  });
  addEventListener("resize", changed);
  whenColoursChange(() => take && changed());
  const { limits } = await about;
  $("limits").textContent = `Up to ${limits.seconds / 60} minutes and ${limits.bytes / BYTES_OF_MB} MB, WAV, FLAC, MP3, OGG and more. It stays on this computer.`;
}

export const shown = () => take && changed();
