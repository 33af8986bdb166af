/**
 * Connections by which agents only check the way: how far packets of which size come, how much passes in a time, and whether a
 * hello would be taken.
 *
 * Outside of the core, since they touch no store and no session (R11): nothing of a check is a hello. Bounded in number, time and bytes, since an agent that
 * replicates must not suffer from one that asks (R10).
 */
import { LmsError, toLmsError } from '@lms/errors';
import { protocolViolation } from '@lms/block-stream';
import type { CheckFrame, FrameConnection } from '@lms/block-stream';
import type { Clock } from './core/ports.ts';

const MAXIMUM_AT_ONCE = 8;
const LAST_WORD_MILLISECONDS = 2_000;
const MAXIMUM_MILLISECONDS = 60_000;
/** Padding of one connection, both ways together. */
const MAXIMUM_BYTES = 64 * 1024 * 1024;

export interface ConnectionChecksPorts {
  readonly clock: Clock;
  /** PERMISSION_DENIED when the machine is not ours. */
  readonly isConnected: (machineId: string) => boolean;
}

export class ConnectionChecks {
  readonly #ports: ConnectionChecksPorts;
  #underWay = 0;

  constructor(ports: ConnectionChecksPorts) {
    this.#ports = ports;
  }

  /** To its end. Never rejects. */
  async serve(machineId: string, connection: FrameConnection): Promise<void> {
    const { clock } = this.#ports;
    const ended = new AbortController();
    this.#underWay += 1;
    try {
      if (this.#underWay > MAXIMUM_AT_ONCE) throw tooMany();
      const late = clock.sleep(MAXIMUM_MILLISECONDS, ended.signal).then(() => {
        if (!ended.signal.aborted) connection.close();
      });
      late.catch(() => undefined);
      await this.#answerAll(machineId, connection);
    } catch (thrown) {
      await this.#sayWhy(connection, toLmsError(thrown));
    } finally {
      this.#underWay -= 1;
      ended.abort();
      connection.close();
    }
  }

  /** Bounded, and never rejects: the connection may be gone already. */
  async #sayWhy(connection: FrameConnection, { code, message, action }: LmsError): Promise<void> {
    const said = new AbortController();
    const sent = connection.send({ type: 'error', code, message, action: action ?? '' });
    await Promise.race([sent, this.#ports.clock.sleep(LAST_WORD_MILLISECONDS, said.signal)]).catch(() => undefined);
    said.abort();
  }

  async #answerAll(machineId: string, connection: FrameConnection): Promise<void> {
    let leftBytes = MAXIMUM_BYTES;
    for (let frame = await connection.receive(); frame !== null; frame = await connection.receive()) {
      if (frame.type === 'heartbeat') continue;
      if (frame.type !== 'check')
        throw protocolViolation(frame.type, 'type', 'a connection of checks has no such frame');
      leftBytes -= frame.padding.byteLength + frame.answerPaddingBytes;
      if (leftBytes < 0) throw new LmsError('RESOURCE_EXHAUSTED', `A check passes ${MAXIMUM_BYTES} bytes at most`);
      await this.#answer(machineId, connection, frame);
    }
  }

  async #answer(machineId: string, connection: FrameConnection, { answerPaddingBytes }: CheckFrame): Promise<void> {
    await connection.send({
      type: 'checkAnswer',
      // Before 1970 no clock of ours can be; the frame has no sign.
      instantMicroseconds: Math.max(0, Math.floor(this.#ports.clock.wallMicroseconds())),
      sessionConnected: this.#ports.isConnected(machineId),
      padding: new Uint8Array(answerPaddingBytes),
    });
  }
}

function tooMany(): LmsError {
  return new LmsError('RESOURCE_EXHAUSTED', `${MAXIMUM_AT_ONCE} checks are under way at this replication server`, {
    action: 'Check again in a minute.',
  });
}
