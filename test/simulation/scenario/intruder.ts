/**
 * Others that hold the machine's certificate: a copy of the machine (R11), and a peer that sends what the protocol
 * forbids (R8). Both are simple clients of the real server, through the same network.
 */
import {
  BLOCK_SIZE_BYTES,
  createDigester,
  DIGEST_BYTES,
  type Digester,
  PROTOCOL_VERSION,
  type Frame,
  type FrameConnection,
  type HelloAnswerFrame,
} from '@lms/block-stream';
import { OracleViolation } from '../oracle/oracle.ts';
import { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';
import type { History } from './history.ts';

/** How long the server may take to refuse a frame and to end the session. */
const REFUSAL_MICROSECONDS = 10_000_000;

/** A copy of the machine, with disks that have lived on: it writes its own content, marks it perhaps, and goes away. */
export function startSecondAgent(history: History, random: Random): void {
  void intrude(history, 'secondAgent', async (connection, answer) => {
    const digester = createDigester(answer.digestKey.slice());
    const data = new Uint8Array(BLOCK_SIZE_BYTES);
    let markId = 0;
    for (let count = random.between(1, 6); count > 0; count--) {
      data.fill(random.between(1, 255));
      const diskIndex = random.below(answer.disks.length);
      const digests = digester.digestBlocks(data);
      const write = { type: 'write', diskIndex, firstBlock: random.below(20), blockCount: 1, codec: 'raw' } as const;
      await connection.send({ ...write, rawLengthBytes: data.length, digests, payload: data });
      if (random.chance(0.3)) await connection.send({ type: 'mark', markId: ++markId });
      await history.scheduler.pause(random.latency(100_000));
    }
  });
}

/** Well-formed frames that no session may accept: refused with PROTOCOL_VIOLATION, the session over, the store as it was. */
export async function sendHostileFrames(history: History, random: Random): Promise<void> {
  await intrude(history, 'hostileFrames', async (connection, answer, isExcused) => {
    const frame = chooseHostileFrame(random, answer, createDigester(answer.digestKey.slice()));
    if (isExcused()) return;
    // While it waits nobody takes the session from it: the agent that comes back would end it in any case.
    history.network.unreachable = true;
    history.staging.sessionIsHostile(answer.fencingGeneration);
    const verdict = await Promise.race([
      judgeRefusal(connection, frame),
      history.scheduler.pause(REFUSAL_MICROSECONDS).then(() => 'had no answer, or its session no end'),
    ]);
    history.network.unreachable = false;
    if (isExcused()) return;
    if (verdict !== null) history.fail(new OracleViolation('R8', `a hostile frame (${frame.type}) ${verdict}`));
    history.fired('hostileFrames');
  });
}

/** Null when the frame was refused as the rules demand, else how it was not. */
async function judgeRefusal(connection: FrameConnection, frame: Frame): Promise<string | null> {
  try {
    await connection.send(frame);
    const reply = await connection.receive();
    if (reply?.type !== 'error') return `was answered by ${reply?.type ?? 'an end without a word'}`;
    if (reply.code !== 'PROTOCOL_VIOLATION') return `was refused with ${reply.code}: ${reply.message}`;
    const next = await connection.receive();
    return next === null ? null : `did not end its session: ${next.type} came after the error`;
  } catch (error) {
    return `was not refused: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function chooseHostileFrame(random: Random, answer: HelloAnswerFrame, digester: Digester): Frame {
  const payload = new Uint8Array(BLOCK_SIZE_BYTES).fill(0xee);
  const digests = digester.digestBlocks(payload);
  const write = { type: 'write', diskIndex: 0, blockCount: 1, codec: 'raw', rawLengthBytes: payload.length } as const;
  return random.pick<Frame>([
    { ...write, firstBlock: 0, digests: new Uint8Array(DIGEST_BYTES).fill(1), payload },
    { ...write, firstBlock: 0xffff_fffe, digests, payload },
    { ...write, firstBlock: 200, digests, payload },
    { ...write, firstBlock: 0, digests, payload: payload.subarray(0, 5_000), codec: 'raw', rawLengthBytes: 5_000 },
    { ...write, firstBlock: 0, digests, payload, diskIndex: answer.disks.length },
    { type: 'zero', diskIndex: 0, firstBlock: 10, blockCount: 0xffff_0000 },
    { type: 'digestRequest', diskIndex: 1, firstBlock: 0, blockCount: 60_000 },
    { type: 'markAck', markId: 1 },
    helloOf(random, []),
  ]);
}

function helloOf(random: Random, disks: Extract<Frame, { type: 'hello' }>['disks']): Frame {
  return {
    type: 'hello',
    protocolMinimum: PROTOCOL_VERSION,
    protocolMaximum: PROTOCOL_VERSION,
    agentVersion: '0.1.0',
    capabilities: [],
    bootId: `boot-of-a-copy-${random.below(1000)}`,
    wholeDiskNumbers: [],
    mapEpoch: `epoch-of-a-copy-${random.unsigned()}`,
    acknowledgedMark: 0,
    disks: disks.length > 0 ? disks : [{ diskId: 'disk-0', device: '/dev/vda', sizeBytes: 1_000_000 }],
  };
}

async function intrude(
  history: History,
  fault: 'secondAgent' | 'hostileFrames',
  act: (connection: FrameConnection, answer: HelloAnswerFrame, isExcused: () => boolean) => Promise<void>,
): Promise<void> {
  const { scheduler, network, random, profile, staging } = history;
  const process = new SimulatedProcess(fault, scheduler, new Map());
  let connection: FrameConnection | null = null;
  let greeted = false;
  try {
    connection = await network.connect(process, new AbortController().signal);
    const server = staging.process;
    const link = network.links.find(({ agentProcess }) => agentProcess === process);
    await connection.send(
      helloOf(
        random,
        profile.source.disks.map(({ diskId, device, sizeBytes }) => ({ diskId, device, sizeBytes })),
      ),
    );
    const answer = await connection.receive();
    if (answer?.type !== 'helloAnswer') return;
    greeted = true;
    if (fault === 'secondAgent') history.fired(fault);
    history.log(`${fault}: session ${answer.fencingGeneration}`);
    await act(connection, answer, () => {
      const isNewest = staging.generation === answer.fencingGeneration;
      return !isNewest || server === null || staging.process !== server || link === undefined || network.isBroken(link);
    });
  } catch (error) {
    history.log(`${fault}: ${greeted ? '' : 'not greeted: '}${error instanceof Error ? error.message : String(error)}`);
  } finally {
    connection?.close();
    process.kill('gone');
  }
}
