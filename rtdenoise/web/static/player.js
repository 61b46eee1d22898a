// The playing side of the page, see player-worklet.js.

export class Player {
  // `report` gets {place}, {waiting}, {ended}, {sounded} as they come.
  static async open(rate, channels, frames, report) {
    let context;
    try {
      context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    } catch {
      context = new AudioContext({ latencyHint: "interactive" }); // a rate that this browser does not play: converted
    }
    await context.audioWorklet.addModule("/static/player-worklet.js");
    return new Player(context, rate, channels, frames, report);
  }

  constructor(context, rate, channels, frames, report) {
    this.context = context;
    this.node = new AudioWorkletNode(context, "player", {
      numberOfInputs: 0, outputChannelCount: [channels], processorOptions: { channels, frames, rate },
    });
    this.node.connect(context.destination);
    this.seeks = 0;
    this.node.port.onmessage = ({ data }) => {
      if (data.seeks < this.seeks) delete data.place; // where it was before it was sent elsewhere
      report(data);
    };
  }

  put(which, offset, data) {
    this.node.port.postMessage({ do: "put", which, offset, data });
  }

  // Whether the browser lets it: without a click or key before, it may not.
  async play() {
    this.context.resume();
    this.node.port.postMessage({ do: "play" });
    for (let i = 0; i < 20 && this.context.state !== "running"; i++) await new Promise((done) => setTimeout(done, 50));
    return this.context.state === "running";
  }

  pause() { this.node.port.postMessage({ do: "pause" }); }
  seek(frame) { this.node.port.postMessage({ do: "seek", frame, seeks: ++this.seeks }); }
  choose(side) { this.node.port.postMessage({ do: "choose", side }); }
  level(levels) { this.node.port.postMessage({ do: "level", levels }); }
  close() { this.context.close(); }
}
