// One recording before and after: comes in pieces from the server, goes to the player, and is seen.

import { ENDED, ask } from "./dom.js";
import { Loudness } from "./loudness.js";
import { Picture } from "./spectrum.js";

const BEFORE = 0, AFTER = 1;
const MOST_TURNED_DOWN_DB = 15;

export class Take {
  // `changed` is called when there is more to be seen, `failed` with an Error.
  constructor(info, player, playedChannels, changed, failed) {
    Object.assign(this, info, { player, playedChannels, changed, failed });
    this.seconds = this.frames / this.sample_rate;
    this.columns = Math.min(1600, Math.max(64, Math.round(this.seconds / 0.004)));
    this.mono = [0, 1].map(() => new Float32Array(this.frames));
    this.pictures = [0, 1].map(() => new Picture(this.sample_rate, this.frames, this.columns));
    this.loudness = [NaN, NaN];
    this.hasBefore = this.hasAfter = false;
    this.known = 0; // frames denoised in a row from `from` on
    this.from = 0;
  }

  async readBefore() {
    await this.read(BEFORE, ask(`/api/files/${this.key}/before`), 0);
    this.hasBefore = true;
    this.changed();
  }

  // Denoise anew from a frame on, and from the start up to it afterwards; what was denoised before is heard until then.
  async denoise(settings, frame) {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    const start = Math.min(this.frames - 1, Math.max(0, Math.floor(frame)));
    this.hasAfter = false;
    [this.from, this.known] = [start, 0];
    const path = `/api/files/${this.key}/after?${new URLSearchParams({ ...settings, start })}`;
    await this.read(AFTER, ask(path, { signal: abort.signal }), start);
    this.hasAfter = true;
    this.changed();
  }

  async read(which, answer, start) {
    const loudness = new Loudness(this.sample_rate, this.playedChannels, this.frames);
    let offset = start;
    this.pictures[which].begin(start);
    try {
      const reader = (await answer).body.getReader();
      let rest = new Uint8Array(0);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const bytes = new Uint8Array(rest.length + value.length);
        bytes.set(rest);
        bytes.set(value, rest.length);
        const count = Math.floor(bytes.length / (4 * this.channels));
        rest = bytes.slice(4 * this.channels * count);
        const samples = new Float32Array(bytes.buffer, 0, count * this.channels);
        for (let at = 0; at < count; ) {
          const length = Math.min(count - at, this.frames - offset);
          this.take(which, offset, samples.subarray(at * this.channels, (at + length) * this.channels), loudness);
          at += length;
          offset += length;
          if (which === AFTER) this.known += length;
          if (offset === this.frames) {
            offset = 0;
            this.pictures[which].begin(0);
          }
        }
        this.changed();
      }
      this.loudness[which] = loudness.value;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.failed(error instanceof TypeError ? new Error(`the sound broke off: ${ENDED}`) : error);
      throw error;
    }
  }

  take(which, offset, samples, loudness) {
    const count = samples.length / this.channels;
    const channels = Array.from({ length: this.channels }, (_, channel) =>
      Float32Array.from({ length: count }, (_, i) => samples[i * this.channels + channel]));
    const mono = this.mono[which];
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      mono[offset + i] = sum / this.channels;
    }
    const played = this.playedChannels === this.channels ? channels : [mono.slice(offset, offset + count)];
    this.player.put(which, offset, played);
    loudness.push(played, offset);
    this.pictures[which].extend(mono, offset + count);
  }

  // Whether the player finds denoised samples at a frame.
  isKnown(frame) {
    return this.hasAfter || (frame - this.from + this.frames) % this.frames < this.known;
  }

  // What each side is turned down by, in dB, so that both are as loud.
  get turnedDown() {
    const [before, after] = this.loudness;
    if (Number.isNaN(before) || Number.isNaN(after)) return [0, 0];
    const target = Math.min(before, after);
    return [before, after].map((value) => Math.min(MOST_TURNED_DOWN_DB, value - target));
  }

  // The gain in dB over time, of about 50 ms; NaN in silence.
  get gains() {
    const reach = Math.max(0, Math.round(0.025 / (this.seconds / this.columns)));
    const [before, after] = this.pictures.map((picture) => picture.power);
    return Array.from({ length: this.columns }, (_, i) => {
      let entered = 0, left = 0;
      for (let k = Math.max(0, i - reach); k <= Math.min(this.columns - 1, i + reach); k++) {
        entered += before[k];
        left += after[k];
      }
      return entered > 1e-9 * (2 * reach + 1) ? 10 * Math.log10(Math.max(left / entered, 1e-6)) : NaN;
    });
  }

  close() {
    this.abort?.abort();
    this.player.close();
  }
}
