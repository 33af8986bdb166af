/** Connections whose bytes have to wait: they live on, in order, and nothing but time is lost. */
import { expect, test } from '@jest/globals';
import type { Frame, FrameConnection, Pacer } from '@lms/block-stream';
import { until } from '../harness/until.ts';
import { createStreamFixture } from './stream-fixture.ts';

const HEARTBEAT_MILLISECONDS = 20;
const SILENCE_LIMIT_MILLISECONDS = 200;
/** Of the other end: far longer than the silence limit. */
const HEARTBEATS = 30;

/** Lets nothing through until it is opened. */
class Gate implements Pacer {
  readonly #opened = Promise.withResolvers<void>();
  asked = 0;
  charged = 0;
  quantumBytes(): number {
    return 4_096;
  }
  async take(_bytes: number, signal: AbortSignal): Promise<void> {
    this.asked += 1;
    const { promise, reject } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    await Promise.race([this.#opened.promise, promise]);
  }
  charge(bytes: number): void {
    this.charged += bytes;
  }
  open(): void {
    this.#opened.resolve();
  }
}

const zero: Frame = { type: 'zero', diskIndex: 0, firstBlock: 0, blockCount: 1 };
const mark: Frame = { type: 'mark', markId: 7 };

async function nextOf(connection: FrameConnection, type: Frame['type']): Promise<Frame> {
  for (;;) {
    const frame = await connection.receive();
    if (frame === null) throw new Error('the connection ended');
    if (frame.type === type) return frame;
  }
}

test('an agent whose bytes wait for the limit of the server is not taken for silent, and its first frame does not wait', async () => {
  const gate = new Gate();
  const times = { heartbeatMilliseconds: HEARTBEAT_MILLISECONDS, silenceLimitMilliseconds: SILENCE_LIMIT_MILLISECONDS };
  await using fixture = await createStreamFixture({ ...times, receiveShare: () => gate });
  const agent = await fixture.connect();
  const { connection } = await until('the server sees the connection', () => fixture.accepted[0]);
  await agent.send(zero);
  expect(await nextOf(connection, 'zero')).toEqual(zero);
  expect(gate.charged).toBeGreaterThan(0);
  expect(gate.asked).toBe(0);
  const marked = nextOf(connection, 'mark');
  await agent.send(mark);
  await until('the server asks for what has come', () => gate.asked > 0);
  for (let heartbeats = 0; heartbeats < HEARTBEATS; heartbeats += 1) await nextOf(agent, 'heartbeat');
  gate.open();
  expect(await marked).toEqual(mark);
});

test('a connection that is closed while its bytes wait tells whoever sends, at once', async () => {
  const gate = new Gate();
  await using fixture = await createStreamFixture();
  const agent = await fixture.connect({ sendPacer: gate });
  const sending = [zero, mark].map((frame) => agent.send(frame));
  await until('the agent asks for its first piece', () => gate.asked > 0);
  agent.close();
  for (const sent of sending) await expect(sent).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(gate.asked).toBe(1);
});
