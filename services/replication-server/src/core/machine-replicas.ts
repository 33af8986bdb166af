/** The replicas of all machines that this server is in charge of: finds or makes the machine's, and hands it the connection. */
import { LmsError, toLmsError } from '@lms/errors';
import { because, isFailureReason, protocolViolation } from '@lms/block-stream';
import type { ErrorFrame, FrameConnection, HelloFrame } from '@lms/block-stream';
import { MachineReplica, notAssigned } from './machine-replica.ts';
import type { ReplicationPorts } from './ports.ts';
import { sayLastWord } from './session.ts';

/** From the end of the TLS handshake to the hello: it is the first thing that an agent sends. */
const HELLO_TIMEOUT_MILLISECONDS = 15_000;

export class MachineReplicas {
  readonly #ports: ReplicationPorts;
  readonly #replicas = new Map<string, MachineReplica>();
  #closed: LmsError | null = null;

  constructor(ports: ReplicationPorts) {
    this.#ports = ports;
  }

  /** Serves one connection to its end. `machineId` is what the certificate says. Never rejects. */
  async serve(machineId: string, connection: FrameConnection): Promise<void> {
    try {
      if (this.#ports.assignment(machineId) === null) throw notAssigned(machineId);
      const hello = await this.#receiveHello(connection);
      await this.replica(machineId).serve(hello, connection);
    } catch (thrown) {
      const error = toLmsError(thrown);
      this.#ports.observer.sessionEnded(machineId, error);
      await sayLastWord(connection, error, this.#ports.clock);
      connection.close();
    }
  }

  async #receiveHello(connection: FrameConnection): Promise<HelloFrame> {
    const received = new AbortController();
    const frame = await Promise.race([
      connection.receive(),
      this.#ports.clock.sleep(HELLO_TIMEOUT_MILLISECONDS, received.signal).then(() => {
        throw new LmsError('DEADLINE_EXCEEDED', `No HELLO within ${HELLO_TIMEOUT_MILLISECONDS} ms`);
      }),
    ]).finally(() => received.abort());
    if (frame === null) throw new LmsError('UNAVAILABLE', 'The agent closed the connection before its HELLO');
    if (frame.type === 'error') throw refusedByAgent(frame);
    if (frame.type !== 'hello') throw protocolViolation(frame.type, 'type', 'the first frame must be HELLO');
    return frame;
  }

  /** The replica of an assigned machine, for sessions and for work beside them. */
  replica(machineId: string): MachineReplica {
    if (this.#closed !== null) throw this.#closed;
    if (this.#ports.assignment(machineId) === null) throw notAssigned(machineId);
    let replica = this.#replicas.get(machineId);
    if (replica === undefined) {
      replica = new MachineReplica(machineId, this.#ports);
      this.#replicas.set(machineId, replica);
    }
    return replica;
  }

  /** Whether a session of it is there; PERMISSION_DENIED when it is not ours. For checks, which disturb none. */
  isConnected(machineId: string): boolean {
    if (this.#closed !== null) throw this.#closed;
    if (this.#ports.assignment(machineId) === null) throw notAssigned(machineId);
    return this.#replicas.get(machineId)?.statistics().session === 'connected';
  }

  /** Those that were used since the start. */
  all(): readonly MachineReplica[] {
    return [...this.#replicas.values()];
  }

  /** Of a machine that was removed: cuts its session and closes its store. False while a point is read: only its session is cut. */
  async release(machineId: string): Promise<boolean> {
    const replica = this.#replicas.get(machineId);
    if (replica === undefined) return true;
    const error = removed(machineId);
    await replica.endSession(error);
    if (replica.isRead) return false;
    this.#replicas.delete(machineId);
    await replica.close(error);
    return true;
  }

  /** Cuts the sessions of machines that are not assigned any more, and closes their stores; `kept` are left for later. */
  async closeUnassigned(kept: ReadonlySet<string> = new Set()): Promise<void> {
    const gone = this.all().filter(
      ({ machineId }) => this.#ports.assignment(machineId) === null && !kept.has(machineId),
    );
    for (const replica of gone) this.#replicas.delete(replica.machineId);
    await Promise.all(gone.map((replica) => replica.close(notAssigned(replica.machineId))));
  }

  /** Ends everything in order: sessions get an ERROR that lets them come back, store calls under way finish. */
  async close(): Promise<void> {
    this.#closed ??= new LmsError('UNAVAILABLE', 'The replication server is stopping', {
      action: 'The agent connects again by itself.',
    });
    const error = this.#closed;
    await Promise.all(this.all().map((replica) => replica.close(error)));
  }
}

function removed(machineId: string): LmsError {
  return new LmsError('REMOVED', `Machine ${machineId} was removed from the manager, and its replica with it`, {
    action: 'The next heartbeat of the agent tells it what is next.',
  });
}

/** It has proven who it is, and does not believe us: the last that is heard of an agent whose clock is wrong. */
function refusedByAgent({ code, message, action }: ErrorFrame): LmsError {
  return new LmsError('UNAVAILABLE', `The agent does not accept this replication server: ${message}`, {
    action,
    cause: because(isFailureReason(code) ? code : 'OTHER'),
  });
}
