/** A seeded stream of choices (sfc32): the same seed makes the same history, on every machine. */
import { crc32 } from 'node:zlib';

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#a = seed | 0;
    this.#b = (seed * 0x9e3779b9) | 0;
    this.#c = 0x5bd1e995 ^ seed;
    for (let round = 0; round < 15; round++) this.unsigned();
  }

  unsigned(): number {
    const result = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + result;
    return result >>> 0;
  }

  /** 0 ≤ result < 1. */
  fraction(): number {
    return this.unsigned() / 0x1_0000_0000;
  }

  /** 0 ≤ result < bound. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** low ≤ result ≤ high. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('pick from nothing');
    return items[this.below(items.length)] as T;
  }

  /** Mostly short, sometimes many times longer: how latencies are spread in the world. */
  latency(typicalMicroseconds: number): number {
    const scale = this.chance(0.05) ? 20 : this.chance(0.2) ? 4 : 1;
    return Math.ceil(this.fraction() * typicalMicroseconds * scale);
  }

  /** A stream of its own, made of the seed and its name alone: no other part's choices, nor that there is one more part, shift it. */
  stream(name: string): Random {
    return new Random(crc32(name, this.#seed >>> 0));
  }

  /** A stream of its own for one more of many that are alike. */
  fork(): Random {
    return new Random(this.unsigned());
  }
}
