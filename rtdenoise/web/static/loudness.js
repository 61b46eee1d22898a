// Integrated loudness as ITU-R BS.1770 has it, fed piece by piece.

export class Loudness {
  constructor(rate, channels, frames) {
    this.filters = Array.from({ length: channels }, () => [shelf(rate), highPass(rate)]);
    this.step = Math.max(1, Math.round(0.1 * rate));
    this.energies = new Float64Array(Math.floor(frames / this.step) + 1); // of tenths of a second
  }

  // Where a piece lies does not depend on when it comes: a recording may begin in its middle.
  push(channels, offset) {
    const length = channels[0].length;
    for (let i = 0; i < length; i++) {
      let energy = 0;
      for (let channel = 0; channel < channels.length; channel++) {
        const [first, second] = this.filters[channel];
        energy += run(second, run(first, channels[channel][i])) ** 2;
      }
      this.energies[Math.floor((offset + i) / this.step)] += energy;
    }
  }

  // In LUFS; NaN where nothing is loud enough to tell.
  get value() {
    const blocks = [];
    for (let i = 0; i + 4 < this.energies.length; i++) {
      blocks.push((this.energies[i] + this.energies[i + 1] + this.energies[i + 2] + this.energies[i + 3]) / (4 * this.step));
    }
    const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;
    const loud = blocks.filter((power) => level(power) > -70);
    const gate = level(mean(loud)) - 10;
    return level(mean(loud.filter((power) => level(power) > gate)));
  }
}

const level = (power) => -0.691 + 10 * Math.log10(power);

function run(filter, x) {
  const y = filter.b0 * x + filter.z1;
  filter.z1 = filter.b1 * x - filter.a1 * y + filter.z2;
  filter.z2 = filter.b2 * x - filter.a2 * y;
  return y;
}

// The two stages of the K weighting as analogue prototypes, so that any rate will do.
function shelf(rate) {
  const k = Math.tan((Math.PI * Math.min(1681.974450955533, 0.45 * rate)) / rate), q = 0.7071752369554196;
  const high = 10 ** (3.999843853973347 / 20), band = high ** 0.4996667741545416;
  const a0 = 1 + k / q + k * k;
  return {
    b0: (high + (band * k) / q + k * k) / a0, b1: (2 * (k * k - high)) / a0, b2: (high - (band * k) / q + k * k) / a0,
    a1: (2 * (k * k - 1)) / a0, a2: (1 - k / q + k * k) / a0, z1: 0, z2: 0,
  };
}

function highPass(rate) {
  const k = Math.tan((Math.PI * 38.13547087602444) / rate), q = 0.5003270373238773;
  const a0 = 1 + k / q + k * k;
  return { b0: 1, b1: -2, b2: 1, a1: (2 * (k * k - 1)) / a0, a2: (1 - k / q + k * k) / a0, z1: 0, z2: 0 };
}
