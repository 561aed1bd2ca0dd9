// The sound of an alarm that nobody has acknowledged: two tones, again and again.

const TONES = [[880, 0], [660, 0.22]];
const TONE_S = 0.2;
const EVERY_MS = 4000;

export class Siren {
  #context = null;
  #isOn = false;
  #timer = 0;

  /** Switches it on or off, which browsers allow to a click only; gives which. */
  toggle() {
    this.#isOn = !this.#isOn;
    if (this.#isOn) this.#context ??= new AudioContext();
    return this.#isOn;
  }

  /** Sounds while `isDue`, if it is on. */
  sound(isDue) {
    const isSounding = this.#timer !== 0;
    if ((isDue && this.#isOn) === isSounding) return;
    clearInterval(this.#timer);
    this.#timer = isSounding ? 0 : setInterval(() => this.#play(), EVERY_MS);
    if (!isSounding) this.#play();
  }

  #play() {
    this.#context.resume();
    for (const [frequency, after] of TONES) {
      const begin = this.#context.currentTime + after;
      const oscillator = new OscillatorNode(this.#context, { frequency, type: 'triangle' });
      const volume = new GainNode(this.#context, { gain: 0 });
      volume.gain.setValueAtTime(0, begin);
      volume.gain.linearRampToValueAtTime(0.25, begin + 0.02);
      volume.gain.linearRampToValueAtTime(0, begin + TONE_S);
      oscillator.connect(volume).connect(this.#context.destination);
      oscillator.start(begin);
      oscillator.stop(begin + TONE_S);
    }
  }
}
