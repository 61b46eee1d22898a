// From samples to columns of a spectrogram: levels in dB of full scale, rows evenly spaced as the ear hears pitch (mel).

export const ROWS = 200;

const toMel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const toHertz = (mel) => 700 * (10 ** (mel / 2595) - 1);

// Where a frequency lies, from 0 at the bottom to 1 at the top.
export const heightOf = (hertz, rate) => toMel(hertz) / toMel(rate / 2);

export class Analyser {
  constructor(rate) {
    const size = 2 ** Math.round(Math.log2(0.034 * rate));
    this.size = size;
    this.window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
    const sum = this.window.reduce((total, value) => total + value, 0);
    this.scale = (2 / sum) ** 2;
    this.cos = Float32Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.sin = Float32Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    const bits = Math.log2(size);
    this.order = Uint16Array.from({ length: size }, (_, i) => {
      let turned = 0;
      for (let bit = 0; bit < bits; bit++) turned |= ((i >> bit) & 1) << (bits - 1 - bit);
      return turned;
    });
    this.re = new Float32Array(size);
    this.im = new Float32Array(size);
    this.power = new Float32Array(size / 2 + 1);
    const top = toMel(rate / 2);
    this.edges = Float32Array.from({ length: ROWS + 1 }, (_, row) => (toHertz((top * row) / ROWS) / rate) * size);
  }

  // Add the power of the window around `centre` to `this.power`; outside of the samples is silence.
  add(samples, centre) {
    const { size, re, im, order, window } = this;
    const begin = Math.round(centre) - size / 2;
    for (let i = 0; i < size; i++) {
      const sample = samples[begin + order[i]];
      re[i] = sample === undefined || sample !== sample ? 0 : sample * window[order[i]];
      im[i] = 0;
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const c = this.cos[k * stride], s = this.sin[k * stride];
          const a = start + k, b = a + half;
          const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y;
          re[a] += x; im[a] += y;
        }
      }
    }
    for (let k = 0; k <= size / 2; k++) this.power[k] += re[k] * re[k] + im[k] * im[k];
  }

  // Write the mean of what was added as ROWS levels from the lowest frequency up, and begin anew.
  finish(count, target, place) {
    const { power, edges } = this;
    const last = power.length - 1;
    for (let row = 0; row < ROWS; row++) {
      const low = edges[row], high = edges[row + 1];
      let value = 0;
      if (high - low < 1.5) {
        const middle = (low + high) / 2, bin = Math.min(last - 1, Math.floor(middle));
        value = power[bin] + (power[bin + 1] - power[bin]) * (middle - bin);
      } else {
        const from = Math.round(low), to = Math.min(last, Math.max(from, Math.round(high) - 1));
        for (let bin = from; bin <= to; bin++) value += power[bin];
        value /= to - from + 1;
      }
      target[place + row] = 10 * Math.log10(Math.max(1e-13, (value * this.scale) / count));
    }
    power.fill(0);
  }
}

// The spectrogram and the level of a whole recording in a fixed number of columns, filled as samples become known.
export class Picture {
  constructor(rate, frames, columns) {
    this.rate = rate;
    this.frames = frames;
    this.columns = columns;
    this.levels = new Float32Array(columns * ROWS).fill(-130);
    this.power = new Float32Array(columns).fill(NaN);
    this.analyser = new Analyser(rate);
    this.begin(0);
  }

  // Samples will be known from here on.
  begin(frame) {
    this.first = frame;
    this.next = Math.floor((frame * this.columns) / this.frames);
  }

  // `samples` are known up to `end`, from where it began.
  extend(samples, end) {
    const { columns, frames, analyser } = this;
    const reach = end >= frames ? Infinity : end - analyser.size / 2;
    while (this.next < columns) {
      const from = (this.next * frames) / columns, to = ((this.next + 1) * frames) / columns;
      const times = Math.min(3, Math.max(1, Math.round((to - from) / analyser.size)));
      if (to - (to - from) / (2 * times) > reach || to > end + 1) return;
      for (let i = 0; i < times; i++) analyser.add(samples, from + ((i + 0.5) * (to - from)) / times);
      analyser.finish(times, this.levels, this.next * ROWS);
      let power = 0, count = 0;
      for (let i = Math.floor(from); i < Math.min(to, frames); i++, count++) power += samples[i] * samples[i];
      this.power[this.next] = power / Math.max(1, count);
      this.next++;
    }
  }
}

// The last seconds of a stream: a ring of columns.
export class Stream {
  constructor(rate, seconds, columns) {
    this.rate = rate;
    this.columns = columns;
    this.levels = new Float32Array(columns * ROWS).fill(-130);
    this.analyser = new Analyser(rate);
    this.hop = (seconds * rate) / columns;
    this.drawn = 0; // columns up to now
    this.rest = new Float32Array(0);
    this.at = this.analyser.size / 2; // of the next window's centre, in `rest`
  }

  push(samples) {
    const joined = new Float32Array(this.rest.length + samples.length);
    joined.set(this.rest);
    joined.set(samples, this.rest.length);
    while (this.at + this.analyser.size / 2 <= joined.length) {
      this.analyser.add(joined, this.at);
      this.analyser.finish(1, this.levels, (this.drawn % this.columns) * ROWS);
      this.drawn++;
      this.at += this.hop;
    }
    const cut = Math.max(0, Math.floor(this.at - this.analyser.size / 2));
    this.rest = joined.slice(cut);
    this.at -= cut;
  }
}
