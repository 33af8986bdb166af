/** The replication server as the process that it is, and an agent's end of its block stream. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BLOCK_SIZE_BYTES, connectBlockStream, createDigester } from '@lms/block-stream';
import type { Frame, HelloAnswerFrame, HelloFrame, Pacer, TlsFrameConnection } from '@lms/block-stream';
import { blockStreamServerName, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { until } from '../harness/until.ts';
import { BOOTSTRAP_TOKEN } from './manager-double.ts';
import type { ManagerDouble } from './manager-double.ts';

const MAIN = new URL('../../../services/replication-server/src/main.ts', import.meta.url).pathname;

export class ServerProcess implements AsyncDisposable {
  readonly lines: Record<string, unknown>[] = [];
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
    if (child.stderr === null) throw new Error('stderr is not a pipe');
    createInterface({ input: child.stderr }).on('line', (line) => this.lines.push(parseLine(line)));
  }

  /** Starts it on a free port; `argumentsBeside` come after the usual ones and win. */
  static async start(
    manager: ManagerDouble,
    folder: string,
    argumentsBeside: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    await mkdir(folder, { recursive: true });
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, `${BOOTSTRAP_TOKEN}\n`, { mode: 0o600 });
    const usual = ['--data-dir', join(folder, 'data'), '--listen', '127.0.0.1:0', '--manager', manager.url];
    const identity = [
      '--ca-sha256',
      manager.authority.sha256,
      '--bootstrap-token-file',
      tokenFile,
      '--name',
      'staging',
    ];
    const child = spawn(
      process.execPath,
      ['--max-semi-space-size=1', '--initial-old-space-size=48', MAIN, ...usual, ...identity, ...argumentsBeside],
      {
        stdio: ['ignore', 'inherit', 'pipe'],
        env: { ...process.env, ...environment },
      },
    );
    return new ServerProcess(child);
  }

  async port(): Promise<number> {
    const line = await until('the server serves agents', () => {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${JSON.stringify(this.lines.at(-1))}`);
      return this.find('serving agents');
    });
    return Number(line['port']);
  }

  find(message: string): Record<string, unknown> | undefined {
    return this.lines.find((line) => line['message'] === message);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

/** A line that is no JSON is a fault of its own; it is kept so that the test that looks can say so. */
function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { unparsed: line };
  }
}

export const DISK_BLOCKS = 40;
export const DISK_BYTES = DISK_BLOCKS * BLOCK_SIZE_BYTES - 1024;

export interface TestAgent extends Disposable {
  readonly connection: TlsFrameConnection;
  readonly answer: HelloAnswerFrame;
  /** Sends the blocks of `image` from `firstBlock` on. */
  write(image: Uint8Array, firstBlock: number, blockCount: number): Promise<void>;
  zero(firstBlock: number, blockCount: number): Promise<void>;
  mark(markId: number): Promise<void>;
  /** Returns the sequence. By default somebody asked for it, so that retention leaves it alone whatever second it falls into. */
  checkpoint(checkpointId: string, markId: number, traceparent?: string, requestId?: string): Promise<number>;
}

export async function connectAgent(
  manager: ManagerDouble,
  machineId: string,
  port: number,
  overrides: Partial<HelloFrame> = {},
  sendPacer?: Pacer,
): Promise<TestAgent> {
  const key = await createPrivateKeyPem();
  const connection = await connectBlockStream({
    host: '127.0.0.1',
    port,
    serverName: blockStreamServerName(machineId),
    ca: manager.authority.certificatePem,
    key,
    cert: await manager.authority.issueMachine(await createCertificateRequest(key), machineId),
    signal: new AbortController().signal,
    ...(sendPacer !== undefined && { sendPacer }),
  });
  await connection.send({
    type: 'hello',
    protocolMinimum: 1,
    protocolMaximum: 1,
    agentVersion: '0.1.0',
    capabilities: [],
    bootId: 'another-boot',
    wholeDiskNumbers: [],
    mapEpoch: 'epoch-1',
    acknowledgedMark: 0,
    disks: [{ diskId: 'disk-1', device: '/dev/sda', sizeBytes: DISK_BYTES }],
    ...overrides,
  });
  const answer = await next(connection, 'helloAnswer').catch((thrown: unknown) => {
    connection.close();
    throw thrown;
  });
  const digester = createDigester(answer.digestKey);
  return {
    connection,
    answer,
    async write(image, firstBlock, blockCount) {
      const start = firstBlock * BLOCK_SIZE_BYTES;
      const payload = image.subarray(start, start + blockCount * BLOCK_SIZE_BYTES);
      const { byteLength: rawLengthBytes } = payload;
      const digests = digester.digestBlocks(payload);
      const common = { type: 'write', diskIndex: 0, codec: 'raw' } as const;
      await connection.send({ ...common, firstBlock, blockCount, rawLengthBytes, digests, payload });
    },
    zero: (firstBlock, blockCount) => connection.send({ type: 'zero', diskIndex: 0, firstBlock, blockCount }),
    async mark(markId) {
      await connection.send({ type: 'mark', markId });
      await next(connection, 'markAck');
    },
    async checkpoint(checkpointId, markId, traceparent = '', requestId = checkpointId) {
      await connection.send({
        type: 'checkpoint',
        checkpointId,
        markId,
        consistency: 'crash',
        instantMicroseconds: Date.now() * 1000,
        pauseMicroseconds: 0,
        requestId,
        traceparent,
      });
      return (await next(connection, 'checkpointAck')).sequence;
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

/** The next frame of this type; heartbeats pass, an ERROR frame is thrown with its code. */
export async function next<Type extends Frame['type']>(
  connection: TlsFrameConnection,
  type: Type,
): Promise<Extract<Frame, { type: Type }>> {
  for (;;) {
    const frame = await connection.receive();
    if (frame === null) throw new Error(`ended instead of ${type}`);
    if (frame.type === 'error' && type !== 'error') throw Object.assign(new Error(frame.message), { code: frame.code });
    if (frame.type === type) return frame as Extract<Frame, { type: Type }>;
    if (frame.type !== 'heartbeat') throw new Error(`${frame.type} instead of ${type}`);
  }
}
