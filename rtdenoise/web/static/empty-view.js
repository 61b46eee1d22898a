// What is there before there is a recording: a drawing, and the microphone.

import { $, about, clock, complain } from "./dom.js";
import { Recorder } from "./recorder.js";

let recorder = null;

// `show` brings a part of the view, `loadFile` takes what was recorded.
export function bindRecorder(show, loadFile) {
  async function record() {
    complain("");
    try {
      const { limits } = await about;
      recorder = await Recorder.open((peak, seconds) => {
        meter(peak, seconds);
        if (seconds > limits.seconds - 1) stop();
      });
    } catch (error) {
      complain(error.message);
      return;
    }
    show("recording");
    $("record-stop").focus();
  }

  function stop() {
    const file = recorder.stop();
    show("drop");
    loadFile(new File([file], `recording ${new Date().toLocaleTimeString()}.wav`));
  }

  function cancel() {
    recorder.stop();
    show("drop");
    $("record").focus();
  }

  $("record").addEventListener("click", record);
  $("record-stop").addEventListener("click", stop);
  $("record-cancel").addEventListener("click", cancel);
}

function meter(peak, seconds) {
  $("recorded-time").textContent = clock(seconds);
  const db = Math.max(-60, 20 * Math.log10(peak + 1e-9));
  $("recorded-level").style.setProperty("--level", 1 + db / 60);
  $("recorded-level").setAttribute("aria-valuenow", db.toFixed(0));
}

export function drawArt() {
  const path = (of) => "M" + Array.from({ length: 121 }, (_, i) => `${2 * i} ${(36 + of(i)).toFixed(1)}`).join("L");
  const envelope = (i) => 26 * Math.exp(-(((i - 36) / 17) ** 2)) + 20 * Math.exp(-(((i - 84) / 14) ** 2));
  const voice = (i) => envelope(i) * Math.sin(i * 0.9);
  let seed = 7;
  const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647) * 2 - 1;
  $("drop").querySelector(".voice").setAttribute("d", path(voice));
  $("drop").querySelector(".noise").setAttribute("d", path((i) => voice(i) + 13 * random()));
}
