/**
 * One machine's replica: its store, opened once, and the one session that may write to it.
 *
 * Mechanism: a hello takes the next fencing generation (durable), ends the session before it, waits until that session's
 * store call has returned, and only then touches the store (R11). Hellos of one machine are taken one after another.
 * Special cases: after STAGING_FULL new sessions are refused until there is room. After every checkpoint retention runs
 * beside the session. Failure: a store that failed in any other way is closed and opened anew by the next hello, which
 * recovers it (R14: nothing is retried on a store whose fsync failed).
 */
import { LmsError, toLmsError } from '@lms/errors';
import { PROTOCOL_VERSION, createDigester } from '@lms/block-stream';
import type { CheckpointFrame, FrameConnection, HelloFrame } from '@lms/block-stream';
import type { StagedPoint, StagingStore } from '../store/staging-store.ts';
import type { ReplicationPorts } from './ports.ts';
import { refuseStagingOnSource } from './same-boot.ts';
import { ReplicationSession } from './session.ts';
import type { SessionCounters } from './session.ts';

/** Codes by which a store refuses and stays as good as before. A failed one may carry them too: see `#reviewStore`. */
const STORE_REFUSALS = new Set([
  'STAGING_FULL',
  'FAILED_PRECONDITION',
  'NOT_FOUND',
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
]);

export interface ReplicaStatistics extends Readonly<SessionCounters> {
  readonly session: 'connected' | 'absent';
  readonly lastMark: number;
  readonly pointsCount: number;
  readonly stallCause: 'STAGING_FULL' | null;
  readonly steps: { readonly stagingDisks: boolean; readonly connected: boolean; readonly dataTransfer: boolean };
}

export class MachineReplica {
  readonly machineId: string;
  readonly #ports: ReplicationPorts;
  readonly #counters: SessionCounters = { bytesReceivedWire: 0, bytesRaw: 0, bytesWritten: 0 };
  #store: StagingStore | null = null;
  #opening: Promise<StagingStore> | null = null;
  #closing: Promise<void> = Promise.resolve();
  /** The session that holds the newest generation, and its end. */
  #current: { readonly session: ReplicationSession; readonly ended: Promise<unknown> } | null = null;
  #claims: Promise<unknown> = Promise.resolve();
  #retention: Promise<void> | null = null;
  #full = false;
  #closed: LmsError | null = null;

  constructor(machineId: string, ports: ReplicationPorts) {
    this.machineId = machineId;
    this.#ports = ports;
  }

  /** The open store, for work beside the sessions (export, verify, delete). */
  store(): Promise<StagingStore> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (this.#store !== null) return Promise.resolve(this.#store);
    // Two instances in one folder would destroy it: the next one waits until the last has closed.
    this.#opening ??= this.#closing
      .then(() => this.#ports.openStore(this.machineId))
      .then(
        (store) => {
          this.#store = store;
          this.#opening = null;
          return store;
        },
        (thrown: unknown) => {
          this.#opening = null;
          throw toLmsError(thrown, `Opening the staging store of machine ${this.machineId}`);
        },
      );
    return this.#opening;
  }

  /** Serves a connection whose hello was read. Returns why the session ended (null: in order); rejects when there was none. */
  async serve(hello: HelloFrame, connection: FrameConnection): Promise<LmsError | null> {
    const claim = this.#claims.then(() => this.#claim(hello, connection));
    this.#claims = claim.catch(() => undefined);
    const session = await claim;
    const error = await session.ended;
    if (this.#current === session) this.#current = null;
    await session.session.farewell();
    return error;
  }

  async #claim(hello: HelloFrame, connection: FrameConnection) {
    if (hello.protocolMinimum > PROTOCOL_VERSION || hello.protocolMaximum < PROTOCOL_VERSION) {
      throw new LmsError(
        'UNSUPPORTED',
        `The agent speaks protocol ${hello.protocolMinimum} to ${hello.protocolMaximum}, this server ${PROTOCOL_VERSION}`,
        { action: 'Bring agent and replication server to the same release.' },
      );
    }
    await refuseStagingOnSource(hello, this.#ports.location);
    const fencingGeneration = await this.#ports.fencing.next(this.machineId);
    await this.#fenceCurrent(fencingGeneration);
    if (this.#closed !== null) throw this.#closed;
    await this.#refuseWhileFull();
    return this.#start(hello, connection, fencingGeneration);
  }

  async #fenceCurrent(fencingGeneration: number): Promise<void> {
    const previous = this.#current;
    if (previous === null) return;
    previous.session.end(
      new LmsError('FENCED', `Generation ${fencingGeneration} of machine ${this.machineId} took over`, {
        action: 'If no other agent was started on purpose, look for a copy of this machine that has its state folder.',
      }),
    );
    await previous.ended;
  }

  async #refuseWhileFull(): Promise<void> {
    if (!this.#full) return;
    if (!(await this.#ports.hasRoom(this.machineId))) {
      throw new LmsError('STAGING_FULL', `The staging area of machine ${this.machineId} has no room`, {
        action: 'Make room on its file system or delete points in time; replication then goes on by itself.',
      });
    }
    this.#full = false;
  }

  async #start(hello: HelloFrame, connection: FrameConnection, fencingGeneration: number) {
    const store = await this.store();
    const { ensured, lastMark } = await this.#prepareStore(store, hello).catch((thrown: unknown) =>
      this.#storeFailed(store, thrown),
    );
    const session = new ReplicationSession(
      {
        connection,
        clock: this.#ports.clock,
        hello,
        store,
        digester: createDigester(store.digestKey),
        counters: this.#counters,
        commit: (checkpoint) => this.#commit(store, hello, checkpoint),
      },
      ensured.map(({ disk }) => disk),
    );
    await connection.send({
      type: 'helloAnswer',
      protocol: PROTOCOL_VERSION,
      capabilities: [],
      fencingGeneration,
      digestKey: store.digestKey,
      disks: ensured.map(({ disk, empty }) => ({ diskId: disk.diskId, diskIndex: disk.diskIndex, empty })),
      lastMark,
      lastCheckpoint: store.lastCheckpoint(),
    });
    this.#ports.observer.sessionStarted(this.machineId, fencingGeneration);
    const current = { session, ended: this.#run(session, store) };
    this.#current = current;
    return current;
  }

  /**
   * R18: a hello of another epoch is made durable before its data, so that an older life of the agent's map, should it come
   * back, sees that its marks no longer tell what is here, and rescans.
   */
  async #prepareStore(store: StagingStore, hello: HelloFrame) {
    const ensured = await store.ensureDisks(hello.disks);
    const lastMark = store.lastMark();
    if (lastMark?.mapEpoch !== hello.mapEpoch) await store.mark(hello.mapEpoch, 0);
    return { ensured, lastMark };
  }

  async #run(session: ReplicationSession, store: StagingStore): Promise<LmsError | null> {
    const error = await session.run();
    if (error?.code === 'STAGING_FULL') this.#full = true;
    if (session.storeFailure !== null) await this.#reviewStore(store, session.storeFailure);
    this.#ports.observer.sessionEnded(this.machineId, error);
    return error;
  }

  async #storeFailed(store: StagingStore, thrown: unknown): Promise<never> {
    const error = toLmsError(thrown, `Staging store of machine ${this.machineId}`);
    if (error.code === 'STAGING_FULL') this.#full = true;
    await this.#reviewStore(store, error);
    throw error;
  }

  /**
   * Gives a store up that has failed. One that failed in an fsync for want of space says STAGING_FULL like one that only
   * refused, but it then rejects everything: so it is asked something harmless.
   */
  async #reviewStore(store: StagingStore, error: LmsError): Promise<void> {
    const [disk] = store.disks();
    if (STORE_REFUSALS.has(error.code)) {
      if (disk === undefined) return;
      const answers = await store.digests(disk.diskIndex, 0, 1).then(
        () => true,
        () => false,
      );
      if (answers) return;
    }
    await this.#giveUpStore(store, error);
  }

  /** R14: a store that failed is never used again; opening it anew recovers from what is durable. */
  async #giveUpStore(store: StagingStore, error: LmsError): Promise<void> {
    if (this.#store !== store) return;
    this.#ports.observer.warn(this.machineId, error);
    await this.#closeStore(store);
  }

  async #closeStore(store: StagingStore): Promise<void> {
    this.#store = null;
    this.#closing = this.#endStore(store);
    await this.#closing;
  }

  async #endStore(store: StagingStore): Promise<void> {
    try {
      await store.close();
    } catch (thrown) {
      this.#ports.observer.warn(this.machineId, toLmsError(thrown, 'Closing the staging store'));
    }
  }

  async #commit(store: StagingStore, hello: HelloFrame, checkpoint: CheckpointFrame): Promise<StagedPoint> {
    if (this.#ports.assignment(this.machineId) === null) throw notAssigned(this.machineId);
    const { checkpointId, markId, consistency, instantMicroseconds, pauseMicroseconds, requestId } = checkpoint;
    const { mapEpoch } = hello;
    const point = await this.#ports.observer.aroundCheckpoint(this.machineId, checkpoint, async () => {
      const committed = await store.checkpoint({
        checkpointId,
        mapEpoch,
        markId,
        consistency,
        instantMicroseconds,
        pauseMicroseconds,
        requestId,
      });
      this.#ports.observer.pointsChanged(this.machineId, store.points());
      return committed;
    });
    this.#retention ??= this.#applyRetention(store).finally(() => {
      this.#retention = null;
    });
    return point;
  }

  async #applyRetention(store: StagingStore): Promise<void> {
    const rows = this.#ports.assignment(this.machineId)?.retention;
    if (rows === undefined) return;
    try {
      const removed = await store.applyRetention(rows, this.#ports.clock.wallMicroseconds());
      if (removed.length > 0) this.#ports.observer.pointsChanged(this.machineId, store.points());
    } catch (thrown) {
      // The session's own calls show whether the store is broken; points kept too long harm nothing but space.
      this.#ports.observer.warn(this.machineId, toLmsError(thrown, 'Applying retention'));
    }
  }

  statistics(): ReplicaStatistics {
    const session = this.#current?.session;
    return {
      ...this.#counters,
      session: session === undefined ? 'absent' : 'connected',
      lastMark: this.#store?.lastMark()?.markId ?? 0,
      pointsCount: this.#store?.points().length ?? 0,
      stallCause: this.#full ? 'STAGING_FULL' : null,
      steps: {
        stagingDisks: (this.#store?.disks().length ?? 0) > 0,
        connected: session !== undefined,
        dataTransfer: session?.transferring ?? false,
      },
    };
  }

  /** Whether somebody reads a point: an export, a verification. */
  get isRead(): boolean {
    return this.#store?.isRead() ?? false;
  }

  /** Ends the session, if there is one; the store stays open. */
  async endSession(error: LmsError): Promise<void> {
    const current = this.#current;
    if (current === null) return;
    current.session.end(error);
    await current.ended;
    await current.session.farewell();
  }

  /** Ends the session, waits for the store call under way, and closes the store. */
  async close(error: LmsError): Promise<void> {
    this.#closed = error;
    await this.#claims;
    await this.endSession(error);
    await this.#retention;
    await this.#opening?.catch(() => undefined);
    if (this.#store !== null) await this.#closeStore(this.#store);
  }
}

export function notAssigned(machineId: string): LmsError {
  return new LmsError('PERMISSION_DENIED', `Machine ${machineId} is not assigned to this replication server`, {
    action:
      'Ask the manager which replication server is in charge: the next heartbeat of the agent brings its address.',
  });
}
