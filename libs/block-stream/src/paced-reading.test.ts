import { expect, test } from '@jest/globals';
import { PacedReading } from './paced-reading.ts';
import type { Pacer } from './pacer.ts';

/** Lets through when the test says so. */
class HandPacer implements Pacer {
  quantum: number | null = 100;
  charged = 0;
  readonly asked: { readonly bytes: number; readonly grant: () => void }[] = [];

  quantumBytes(): number | null {
    return this.quantum;
  }

  take(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.asked.push({ bytes, grant: resolve });
    });
  }

  charge(bytes: number): void {
    this.charged += bytes;
  }

  async grantNext(): Promise<void> {
    this.asked.shift()?.grant();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function setUp() {
  const pacer = new HandPacer();
  const wire = { arrivedBytes: 0 };
  const told = { mayRead: 0 };
  const { signal } = new AbortController();
  const onMayRead = (): void => {
    told.mayRead += 1;
  };
  return { pacer, wire, told, reading: new PacedReading(pacer, () => wire.arrivedBytes, signal, onMayRead) };
}

test('what has arrived is asked for in pieces of the quantum before it is read, and read once for it', async () => {
  const { pacer, wire, told, reading } = setUp();
  reading.firstFrameRead();
  wire.arrivedBytes = 250;
  expect(reading.mayRead()).toBe(false);
  for (const bytes of [100, 100, 50]) {
    expect(reading.isWaiting).toBe(true);
    expect(pacer.asked.map((asked) => asked.bytes)).toEqual([bytes]);
    await pacer.grantNext();
  }
  expect(told.mayRead).toBe(1);
  // More came meanwhile: it is read with the rest, and asked for before the next.
  wire.arrivedBytes = 300;
  expect(reading.mayRead()).toBe(true);
  expect(reading.mayRead()).toBe(false);
  expect(pacer.asked.map((asked) => asked.bytes)).toEqual([50]);
});

test('the first frame does not wait, and is counted with all that came before it', () => {
  const { pacer, wire, reading } = setUp();
  wire.arrivedBytes = 4_000;
  expect(reading.mayRead()).toBe(true);
  expect(reading.mayRead()).toBe(true);
  reading.firstFrameRead();
  expect(pacer.charged).toBe(4_000);
  expect(reading.mayRead()).toBe(true);
  wire.arrivedBytes = 4_001;
  expect(reading.mayRead()).toBe(false);
});

test('a limit that comes later counts what arrives from then on, and one that goes lets what waits be read', async () => {
  const { pacer, wire, told, reading } = setUp();
  pacer.quantum = null;
  reading.firstFrameRead();
  wire.arrivedBytes = 1_000_000;
  expect(reading.mayRead()).toBe(true);
  pacer.quantum = 100;
  wire.arrivedBytes = 2_000_000;
  expect(reading.mayRead()).toBe(true);
  wire.arrivedBytes = 2_000_080;
  expect(reading.mayRead()).toBe(false);
  expect(pacer.asked.map((asked) => asked.bytes)).toEqual([80]);
  pacer.quantum = null;
  await pacer.grantNext();
  expect(told.mayRead).toBe(1);
  expect(reading.mayRead()).toBe(true);
});
