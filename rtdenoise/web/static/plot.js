// Panels with axes on a canvas, as sharp as the screen.

import { palette } from "./colours.js";
import { ROWS, heightOf } from "./spectrum.js";

const FONT = '12px Inter, ui-sans-serif, system-ui, sans-serif';
export const LEFT = 46, RIGHT = 10;

// The canvas in CSS pixels, cleared; returns what draws on it and its width.
export function prepare(canvas, height) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.parentElement.clientWidth;
  canvas.style.height = `${height}px`;
  const wide = Math.round(width * scale), high = Math.round(height * scale);
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return [context, width];
}

export function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / size - 1e-6); i * size <= high + 1e-6 * size; i++) found.push(i * size);
  return found;
}

// Levels, `columns` times ROWS, as an image: `top` dB is the last colour, 75 dB below the first one.
export class Shades {
  constructor(columns) {
    this.canvas = new OffscreenCanvas(columns, ROWS);
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(columns, ROWS);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.columns = columns;
  }

  paint(levels, top, from = 0, to = this.columns) {
    const { map } = palette();
    for (let column = from; column < to; column++) {
      for (let row = 0; row < ROWS; row++) {
        const level = (levels[column * ROWS + row] - top) / 75 + 1;
        this.pixels[(ROWS - 1 - row) * this.columns + column] = map[Math.max(0, Math.min(255, Math.round(255 * level)))];
      }
    }
    if (to > from) this.context.putImageData(this.image, 0, 0, from, 0, to - from, ROWS);
  }
}

function chip(context, text, x, y) {
  const { chip: ground, ink } = palette();
  context.font = `600 ${FONT}`;
  const width = context.measureText(text).width;
  context.fillStyle = ground;
  context.beginPath();
  context.roundRect(x, y, width + 16, 22, 7);
  context.fill();
  context.fillStyle = ink;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, x + 8, y + 11.5);
  context.font = FONT;
}

function frame(context, width, top, height) {
  context.beginPath();
  context.roundRect(LEFT, top, width - LEFT - RIGHT, height, 6);
}

// One spectrogram; `parts` are [source column, columns, place from 0, share] of the image.
export function spectrogram(context, width, top, height, shades, rate, name, parts) {
  const colours = palette(), inner = width - LEFT - RIGHT;
  context.save();
  frame(context, width, top, height);
  context.clip();
  context.fillStyle = colours.ground;
  context.fillRect(LEFT, top, inner, height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  for (const [from, count, place, share] of parts) {
    if (count > 0) context.drawImage(shades.canvas, from, 0, count, ROWS, LEFT + place * inner, top, share * inner, height);
  }
  context.restore();
  const marks = [250, 500, 1000, 2000, 4000, 8000, 16000].filter((hertz) => hertz < rate / 2 * 0.98);
  let last = Infinity;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillStyle = colours.faint;
  for (const hertz of marks) {
    const y = top + height * (1 - heightOf(hertz, rate));
    if (last - y < 18 || y < top + 22) continue;
    last = y;
    context.fillText(hertz >= 1000 ? `${hertz / 1000}k` : String(hertz), LEFT - 9, y);
    context.fillRect(LEFT - 5, Math.round(y), 4, 1);
  }
  context.fillText("Hz", LEFT - 9, top + 6);
  chip(context, name, LEFT + 8, top + 8);
}

// The gain in dB over time as an area that hangs from 0; NaN is a gap.
export function gainCurve(context, width, top, height, gains, name) {
  const colours = palette(), inner = width - LEFT - RIGHT;
  const known = gains.filter((gain) => !Number.isNaN(gain));
  const lowest = Math.min(-12, Math.floor(quantile(known, 0.02) / 6) * 6), highest = 3;
  const yOf = (gain) => top + (height * (highest - Math.min(highest, Math.max(lowest, gain)))) / (highest - lowest);
  context.save();
  frame(context, width, top, height);
  context.clip();
  context.fillStyle = colours.ground;
  context.fillRect(LEFT, top, inner, height);
  context.fillStyle = colours.line;
  for (const value of ticks(lowest, 0, 3)) context.fillRect(LEFT, Math.round(yOf(value)), inner, 1);
  const xOf = (i) => LEFT + ((i + 0.5) * inner) / gains.length;
  context.fillStyle = colours.fill;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  for (let i = 0; i < gains.length; ) {
    if (Number.isNaN(gains[i])) { i++; continue; }
    let end = i;
    while (end < gains.length && !Number.isNaN(gains[end])) end++;
    context.beginPath();
    for (let k = i; k < end; k++) context.lineTo(xOf(k), yOf(gains[k]));
    context.stroke();
    context.lineTo(xOf(end - 1), yOf(0));
    context.lineTo(xOf(i), yOf(0));
    context.fill();
    i = end;
  }
  context.restore();
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillStyle = colours.faint;
  for (const value of ticks(lowest, 0, 3)) {
    context.fillText(`${String(value).replace("-", "−")}${value === 0 ? " dB" : ""}`, LEFT - 9, yOf(value));
  }
  chip(context, name, LEFT + 8, top + height - 30);
}

// Numbers below the last panel; `low` and `high` in seconds.
export function timeAxis(context, width, top, low, high) {
  const inner = width - LEFT - RIGHT;
  context.fillStyle = palette().faint;
  context.textBaseline = "top";
  for (const value of ticks(low, high, Math.max(2, Math.floor(inner / 90)))) {
    const x = LEFT + (inner * (value - low)) / (high - low);
    context.fillRect(Math.round(x), top + 2, 1, 4);
    context.textAlign = x > width - 34 ? "right" : "center";
    const text = high - low > 90 ? `${Math.floor(value / 60)}:${String(Math.round(value % 60)).padStart(2, "0")}` : `${+value.toFixed(3)} s`;
    context.fillText(text.replace("-", "−"), x > width - 34 ? width - RIGHT : x, top + 9);
  }
}

export function quantile(values, share) {
  if (!values.length) return NaN;
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
