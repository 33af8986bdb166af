import { expect, test } from '@jest/globals';
import type { Frame, FrameConnection } from '@lms/block-stream';
import { LmsError } from '@lms/errors';
import { FramePipeline } from './frame-pipeline.ts';

class RecordingConnection implements FrameConnection {
  readonly sent: Frame[] = [];
  failAt = Infinity;

  send(frame: Frame): Promise<void> {
    if (this.sent.length >= this.failAt) return Promise.reject(new LmsError('UNAVAILABLE', 'cut'));
    this.sent.push(frame);
    return Promise.resolve();
  }

  receive(): Promise<Frame | null> {
    return Promise.resolve(null);
  }

  close(): void {
    this.failAt = 0;
  }
}

function mark(markId: number): Frame {
  return { type: 'mark', markId };
}

test('frames leave in the order of their places, however long each takes to prepare', async () => {
  const connection = new RecordingConnection();
  const pipeline = new FramePipeline(
    connection,
    () => 0,
    () => undefined,
  );
  const slow = Promise.withResolvers<Frame[]>();
  pipeline.push(() => slow.promise);
  pipeline.push([mark(2)]);
  slow.resolve([mark(1)]);
  await pipeline.drain();
  expect(connection.sent).toEqual([mark(1), mark(2)]);
});

test('after a failure nothing later is sent, and every buffer is given back', async () => {
  const connection = new RecordingConnection();
  connection.failAt = 1;
  const pipeline = new FramePipeline(
    connection,
    () => 0,
    () => undefined,
  );
  let released = 0;
  const allReleased = Promise.withResolvers<void>();
  for (let markId = 1; markId <= 3; markId++) {
    pipeline.push([mark(markId)], () => {
      released++;
      if (released === 3) allReleased.resolve();
    });
  }
  await expect(pipeline.drain()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await allReleased.promise;
  expect(connection.sent).toEqual([mark(1)]);
});

test('what cannot be prepared fails the pipeline', async () => {
  const pipeline = new FramePipeline(
    new RecordingConnection(),
    () => 0,
    () => undefined,
  );
  pipeline.push(() => Promise.reject(new LmsError('INTERNAL', 'the disk cannot be read')));
  await expect(pipeline.drain()).rejects.toThrow('the disk cannot be read');
  expect(() => pipeline.throwIfFailed()).toThrow('the disk cannot be read');
});

test('R10: however much is pushed, only a few jobs are prepared at once, and pushing waits for room', async () => {
  const connection = new RecordingConnection();
  const pipeline = new FramePipeline(
    connection,
    () => 0,
    () => undefined,
  );
  const gate = Promise.withResolvers<void>();
  let prepared = 0;
  for (let markId = 1; markId <= 40; markId++) {
    pipeline.push(async () => {
      prepared++;
      await gate.promise;
      return [mark(markId)];
    });
  }
  let hasRoom = false;
  const room = pipeline.room().then(() => (hasRoom = true));
  await new Promise(setImmediate);
  expect(prepared).toBe(8);
  expect(hasRoom).toBe(false);
  gate.resolve();
  await pipeline.drain();
  await room;
  expect(connection.sent.length).toBe(40);
});

test('the first failure is told at once, and only once, to whoever waits for the answer to a frame that is not sent', async () => {
  const connection = new RecordingConnection();
  const told = Promise.withResolvers<unknown>();
  const failures: unknown[] = [];
  const pipeline = new FramePipeline(
    connection,
    () => 0,
    () => undefined,
    (error) => {
      failures.push(error);
      told.resolve(error);
    },
  );
  // A read that fails, and the digest request behind it whose answer somebody awaits: nobody drains.
  pipeline.push(() => Promise.reject(new LmsError('INTERNAL', 'the disk cannot be read')));
  pipeline.push([{ type: 'digestRequest', diskIndex: 0, firstBlock: 0, blockCount: 1 }]);
  expect(await told.promise).toMatchObject({ message: 'the disk cannot be read' });
  pipeline.push(() => Promise.reject(new LmsError('INTERNAL', 'another')));
  await expect(pipeline.drain()).rejects.toThrow('the disk cannot be read');
  expect(failures.length).toBe(1);
  expect(connection.sent).toEqual([]);
});

test('a frame is told by its own time on the wire, without the time that it waited for those before it', async () => {
  let now = 0;
  const under: { frame: Frame; done: () => void }[] = [];
  const connection: FrameConnection = {
    send: (frame) => new Promise((resolve) => under.push({ frame, done: resolve })),
    receive: () => Promise.resolve(null),
    close: () => undefined,
  };
  const told: [number, number][] = [];
  const pipeline = new FramePipeline(
    connection,
    () => now,
    (_frame, began, ended) => told.push([began, ended]),
  );
  pipeline.push([mark(1), mark(2), mark(3)]);
  const drained = pipeline.drain();
  for (let finished = 0; finished < 3; finished++) {
    while (under.length <= finished) await new Promise(setImmediate);
    now += 10;
    under[finished]?.done();
    while (told.length <= finished) await new Promise(setImmediate);
  }
  await drained;
  expect(told).toEqual([
    [0, 10],
    [10, 20],
    [20, 30],
  ]);
});
