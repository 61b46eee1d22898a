// Records from the microphone as it is, without what browsers do to it, and makes a WAV file of it.

export class Recorder {
  // `heard` gets the peak of each block and the seconds up to now.
  static async open(heard) {
    if (!navigator.mediaDevices) throw new Error("this browser gives no microphone to the page; drop a file instead");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
      });
    } catch (error) {
      const reason = error.name === "NotAllowedError" ? "it is not allowed: see the sign in the address bar" : error.message;
      throw new Error(`there is no microphone for the page: ${reason}`);
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("/static/recorder-worklet.js");
    return new Recorder(stream, context, heard);
  }

  constructor(stream, context, heard) {
    this.stream = stream;
    this.context = context;
    this.blocks = [];
    const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => {
      this.blocks.push(data);
      heard(data.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0), this.seconds);
    };
    context.createMediaStreamSource(stream).connect(node);
    context.resume();
  }

  get seconds() {
    return this.blocks.reduce((total, block) => total + block.length, 0) / this.context.sampleRate;
  }

  // End it; returns the file.
  stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    this.context.close();
    return wav(this.blocks, rate);
  }
}

function wav(blocks, rate) {
  const bytes = 4 * blocks.reduce((total, block) => total + block.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const write = (place, text) => [...text].forEach((letter, i) => head.setUint8(place + i, letter.charCodeAt(0)));
  write(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  write(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 3, true); // floats
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 4 * rate, true);
  head.setUint16(32, 4, true);
  head.setUint16(34, 32, true);
  write(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head, ...blocks], { type: "audio/wav" });
}
