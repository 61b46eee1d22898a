// Hands on what the microphone brings, a tenth of a second at a time.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(0.1 * sampleRate));
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true;
    for (const sample of input[0]) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
