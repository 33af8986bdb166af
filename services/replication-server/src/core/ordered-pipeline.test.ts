import { expect, test } from '@jest/globals';
import { OrderedPipeline } from './ordered-pipeline.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A peer that sends as fast as it is let, and a store that takes an entry only when told. */
function flood(pipeline: OrderedPipeline, entries: number, bytes: number) {
  const figures = { pushed: 0, taken: 0, settled: 0 };
  const turns: (() => void)[] = [];
  const step = async (): Promise<void> => {
    figures.taken++;
    await new Promise<void>((resolve) => turns.push(resolve));
  };
  const settle = (): void => void figures.settled++;
  const ended = (async () => {
    while (figures.pushed < entries) {
      figures.pushed++;
      await pipeline.push({ bytes, prepared: Promise.resolve(), step, settle });
    }
  })();
  return { figures, ended, takeOne: () => turns.shift()?.() };
}

test.each([
  ['bytes', 1000, 8],
  ['frames without data', 0, 16],
])(
  'R10: a slow store stops the reading at the window of %s, and each entry that it takes lets one more in',
  async (_of, bytes, room) => {
    const errors: unknown[] = [];
    const pipeline = new OrderedPipeline(8000, 16, (error) => errors.push(error));
    const { figures, ended, takeOne } = flood(pipeline, 40, bytes);
    for (let done = 0; done < 40; done++) {
      await nextTurn();
      expect(figures.settled).toBe(done);
      expect(figures.pushed).toBe(Math.min(40, done + room));
      takeOne();
    }
    await ended;
    await pipeline.idle();
    expect(figures).toEqual({ pushed: 40, taken: 40, settled: 40 });
    expect(errors).toEqual([]);
  },
);

test('R11: what waits when the pipeline stops is never taken, and its buffers are free again', async () => {
  const pipeline = new OrderedPipeline(8000, 16, () => undefined);
  const { figures, ended, takeOne } = flood(pipeline, 8, 1000);
  await nextTurn();
  pipeline.stop();
  await ended;
  takeOne();
  await pipeline.idle();
  await nextTurn();
  expect(figures).toEqual({ pushed: 8, taken: 1, settled: 8 });
});
