// Plays one of two signals that lie on each other, and fades between them: the switch is heard, the place stays.
// Samples that have not come yet are NaN; there it waits.

const FADE_SECONDS = 0.012, LEVEL_SECONDS = 0.05, REPORT_SECONDS = 0.03;

class Player extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels, frames, rate } }) {
    super();
    this.frames = frames;
    this.step = rate / sampleRate;
    this.signals = [0, 1].map(() => Array.from({ length: channels }, () => new Float32Array(frames + 1).fill(NaN)));
    this.signals.forEach((signal) => signal.forEach((channel) => { channel[frames] = 0; }));
    this.place = 0;
    this.seeks = 0;
    this.playing = false;
    this.side = this.mix = 1;
    this.gains = [1, 1];
    this.levels = [1, 1];
    this.fade = 0; // of starting and stopping
    this.reported = 0;
    this.sounded = false;
    this.port.onmessage = ({ data }) => this[data.do](data);
  }

  put({ which, offset, data }) {
    data.forEach((samples, channel) => this.signals[which][channel].set(samples, offset));
  }
  play() { this.playing = true; }
  pause() { this.playing = false; }
  seek({ frame, seeks }) {
    this.place = frame;
    this.seeks = seeks;
  }
  choose({ side }) { this.side = side; }
  level({ levels }) { this.levels = levels; }

  process(inputs, [output]) {
    const mixStep = 1 / (FADE_SECONDS * sampleRate), levelStep = 1 / (LEVEL_SECONDS * sampleRate);
    const length = output[0].length;
    let waiting = false;
    for (let i = 0; i < length && (this.playing || this.fade > 0); i++) {
      this.mix += Math.max(-mixStep, Math.min(mixStep, this.side - this.mix));
      for (const which of [0, 1]) {
        this.gains[which] += Math.max(-levelStep, Math.min(levelStep, this.levels[which] - this.gains[which]));
      }
      const frame = Math.floor(this.place), rest = this.place - frame;
      let missing = false;
      for (let channel = 0; channel < output.length; channel++) {
        let value = 0;
        for (const which of [0, 1]) {
          const share = which ? this.mix : 1 - this.mix;
          if (share === 0) continue;
          const samples = this.signals[which][channel];
          const sample = rest ? samples[frame] + rest * (samples[frame + 1] - samples[frame]) : samples[frame];
          value += share * this.gains[which] * sample;
        }
        if (value !== value) missing = true;
        else output[channel][i] = value * this.fade;
      }
      if (missing) {
        waiting = this.playing;
        for (const channel of output) channel[i] = 0;
        this.fade = 0;
        if (!this.playing) break;
        continue;
      }
      this.fade = Math.max(0, Math.min(1, this.fade + (this.playing ? mixStep : -mixStep)));
      if (!this.sounded && output[0][i] !== 0) {
        this.sounded = true;
        this.port.postMessage({ sounded: true });
      }
      this.place += this.step;
      if (this.place >= this.frames) {
        this.playing = false;
        this.place = this.fade = 0;
        this.port.postMessage({ place: 0, seeks: this.seeks, ended: true });
      }
    }
    if (currentTime - this.reported > REPORT_SECONDS) {
      this.reported = currentTime;
      this.port.postMessage({ place: this.place, seeks: this.seeks, waiting });
    }
    return true;
  }
}

registerProcessor("player", Player);
