/** Everything that the agent has to do with the manager on 443, as loops that run beside replication. */
import { join } from 'node:path';
import { AgentApi, AgentStatistics, LogRecord } from '@lms/api';
import type { AgentCheck, CheckReport, HeartbeatAnswer, HeartbeatRequest } from '@lms/api';
import type { BandwidthLimiter } from '@lms/bandwidth';
import { productVersion } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { makeAssertion } from '@lms/identity';
import { formatAuthority } from '@lms/proxy';
import { pause } from '@lms/service';
import type { Replicator } from '../core/index.ts';
import { readInventory } from '../enrolment/inventory.ts';
import { readBootId } from '../kernel/index.ts';
import type { AgentLog } from '../logging/agent-log.ts';
import { checkAsAgent } from '../network-check/check-as-agent.ts';
import type { BlockStreamEndpoint } from '../replication/block-stream-endpoint.ts';
import { executeCommand } from '../replication/commands.ts';
import { SituationReport } from '../replication/situation-report.ts';
import { statisticsOf } from '../replication/statistics.ts';
import type { AgentIdentity } from '../state/agent-identity.ts';
import type { Removal } from '../state/removal.ts';
import type { StateFolder } from '../state/state-folder.ts';
import type { WriteGate } from '../state/write-gate.ts';
import type { RunningStatus } from '../status-report.ts';
import { showProxy } from '../state/agent-proxies.ts';
import type { AgentProxies } from '../state/agent-proxies.ts';
import { watchProxies } from '../state/proxy-watch.ts';
import { blockStreamAddresses, inUseFirst, parseAssignment, sameAssignment } from './assignment.ts';
import type { Assignment } from './assignment.ts';
import { keepCertificate } from './certificate-renewal.ts';
import type { CertificateHolder } from './certificate-renewal.ts';
import { CommandLoop } from './command-loop.ts';
import { ManagerContact } from './contact.ts';
import { keepHeartbeat } from './heartbeat.ts';
import { Spool } from './spool.ts';
import { Uploader } from './uploader.ts';

const SAMPLE_MILLISECONDS = 5_000;
/** Another state is told at once: somebody may be waiting for it. */
const STATE_CHECK_MILLISECONDS = 500;
const UPLOAD_MILLISECONDS = 5_000;
/** A sample compresses to about 100 bytes: days of them. */
const STATISTICS_SPOOL_BYTES = 4 * 1024 * 1024;
const LOG_SPOOL_BYTES = 4 * 1024 * 1024;
const BATCH_RECORDS = 400;
/** Far below what the manager takes in one request. */
const BATCH_BYTES = 1024 * 1024;

export interface ManagerLinkParts {
  readonly identity: AgentIdentity;
  readonly state: StateFolder;
  readonly gate: WriteGate;
  readonly certificate: CertificateHolder;
  readonly privateKeyPem: string;
  readonly caPem: string;
  readonly proxies: AgentProxies;
  readonly replicator: Pick<Replicator, 'status' | 'createPoint' | 'rescan' | 'pause' | 'resume' | 'updateSettings'>;
  readonly endpoint: Pick<BlockStreamEndpoint, 'address' | 'failedAddress' | 'update' | 'changeProxy'>;
  readonly bandwidth: Pick<BandwidthLimiter, 'update' | 'inForce'>;
  readonly log: AgentLog;
  /** In memory (tmpfs). */
  readonly spoolFolder: string;
}

export class ManagerLink {
  readonly #parts: ManagerLinkParts;
  readonly #api: AgentApi;
  readonly #contact: ManagerContact;
  readonly #statistics: Uploader<AgentStatistics>;
  readonly #logs: Uploader<LogRecord>;
  readonly #removed = new AbortController();
  #proxies: AgentProxies;
  #wayChanged = new AbortController();
  readonly #situation: SituationReport;
  #assignment: Assignment | null = null;
  #paused = false;
  #inventoryTold = false;
  #removal: Removal | null = null;

  constructor(parts: ManagerLinkParts) {
    this.#parts = parts;
    this.#proxies = parts.proxies;
    const { identity, certificate, privateKeyPem, caPem, log, spoolFolder } = parts;
    const { managerUrl, caSha256 } = identity;
    const api = new AgentApi({
      managerUrl,
      caPem,
      signAssertion: () => makeAssertion({ privateKeyPem, certificatePem: certificate.pem, caSha256 }),
      // Each loop waits and repeats by itself.
      retries: 0,
      proxy: parts.proxies.manager,
    });
    this.#api = api;
    this.#contact = new ManagerContact(log.logger);
    this.#situation = new SituationReport({
      certificateExpiresAt: () => certificate.expiresAt,
      managerFailure: () => this.#contact.lastFailure,
      address: () => parts.endpoint.failedAddress,
    });
    const batches = { batchRecords: BATCH_RECORDS, batchBytes: BATCH_BYTES, intervalMilliseconds: UPLOAD_MILLISECONDS };
    this.#statistics = new Uploader({
      ...batches,
      send: (batch, signal) => api.statistics(batch, signal),
      spool: new Spool({
        folder: join(spoolFolder, 'statistics'),
        limitBytes: STATISTICS_SPOOL_BYTES,
        schema: AgentStatistics,
      }),
    });
    this.#logs = new Uploader({
      ...batches,
      send: (batch, signal) => api.logs(batch, signal),
      spool: new Spool({ folder: join(spoolFolder, 'logs'), limitBytes: LOG_SPOOL_BYTES, schema: LogRecord }),
    });
    log.recordTo((record) => this.#logs.push(record));
  }

  /** Aborted when the manager has said that the machine was removed. */
  get removed(): AbortSignal {
    return this.#removed.signal;
  }

  get removal(): Removal | null {
    return this.#removal;
  }

  /** Until the signal aborts or the machine is removed, and a moment longer for a last report. Never rejects. */
  async run(until: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([until, this.#removed.signal]);
    const { certificate, privateKeyPem, state, gate, log } = this.#parts;
    const last = parseAssignment(await state.findAssignment());
    if (last !== null) this.#apply(last);
    const commands = new CommandLoop({
      api: this.#api,
      logger: log.logger,
      execute: (command) =>
        executeCommand(command, {
          replicator: this.#parts.replicator,
          setPaused: (paused) => this.#setPaused(paused),
          nowMilliseconds: Date.now,
          check: (asked) => this.#check(asked, signal),
        }),
    });
    await Promise.all([
      keepHeartbeat(
        {
          api: this.#api,
          contact: this.#contact,
          request: () => this.#heartbeat(),
          onAnswer: (answer) => this.#hear(answer),
          onRemoved: (message) => this.#hearRemoved(message),
          hurry: () => this.#wayChanged.signal,
        },
        signal,
      ),
      commands.run(signal),
      this.#sample(signal),
      this.#statistics.run(signal),
      this.#logs.run(signal),
      watchProxies(
        { state, present: this.#proxies, onChange: (proxies) => this.#changeProxies(proxies), logger: log.logger },
        signal,
      ),
      keepCertificate(
        {
          api: this.#api,
          holder: certificate,
          privateKeyPem,
          save: (pem) => gate.write(() => state.writeCertificate(pem)),
          logger: log.logger,
        },
        signal,
      ),
    ]);
  }

  async close(): Promise<void> {
    await this.#api.close();
  }

  /** One more sample, for what is true now and would be told too late. */
  sampleNow(): void {
    const status = this.#parts.replicator.status();
    const { limitBitsPerSecond } = this.#parts.bandwidth.inForce();
    this.#statistics.push(statisticsOf(status, this.#situation.of(status), limitBitsPerSecond));
  }

  runningStatus(): RunningStatus {
    const { replicator, endpoint, bandwidth, certificate } = this.#parts;
    const status = replicator.status();
    const { address } = endpoint;
    const { lastPoint } = status;
    const { limitBitsPerSecond, untilMilliseconds } = bandwidth.inForce();
    return {
      pid: process.pid,
      updatedAt: new Date().toISOString(),
      replicationState: status.state,
      stallCause: status.stallCause,
      detail: status.stallDetail ?? status.detail,
      connected: status.connected,
      blockStream: address === null ? null : formatAuthority(address.host, address.port),
      bandwidth: {
        limitBitsPerSecond,
        until: untilMilliseconds === null ? null : new Date(untilMilliseconds).toISOString(),
      },
      freezing: status.freezing,
      certificateExpiresAt: certificate.expiresAt.toISOString(),
      manager: { lastContactAt: this.#contact.lastAt, failure: this.#contact.failure },
      lastPoint:
        lastPoint === null
          ? null
          : {
              sequence: lastPoint.sequence,
              consistency: lastPoint.consistency,
              createdAt: new Date(lastPoint.instantMicroseconds / 1_000).toISOString(),
            },
      disks: status.disks.map(({ diskId, device, sizeBytes, replicatedBytes, backlogBytes, tracker }) => ({
        id: diskId,
        device,
        sizeBytes,
        replicatedBytes,
        backlogBytes,
        tracker,
      })),
      trackerLosses: status.counters.trackerLosses,
      lastPauseMicroseconds: status.counters.lastPauseMicroseconds,
      droppedRecords: { statistics: this.#statistics.droppedRecords, logs: this.#logs.droppedRecords },
      proxiesChangedAt: this.#proxies.changedAt,
    };
  }

  #changeProxies(proxies: AgentProxies): void {
    const { endpoint, log } = this.#parts;
    const before = this.#proxies;
    this.#proxies = proxies;
    if (JSON.stringify(proxies.manager) !== JSON.stringify(before.manager)) {
      this.#api.changeProxy(proxies.manager);
      log.logger.info({ proxy: showProxy(proxies.manager) }, 'the manager is reached by another way from now on');
      const waiting = this.#wayChanged;
      this.#wayChanged = new AbortController();
      waiting.abort();
    }
    if (JSON.stringify(proxies.blockStream) !== JSON.stringify(before.blockStream)) {
      endpoint.changeProxy(proxies.blockStream);
      const proxy = showProxy(proxies.blockStream);
      log.logger.info({ proxy }, 'the replication server is reached by another way from now on');
    }
  }

  #heartbeat(): HeartbeatRequest {
    const { replicator, identity } = this.#parts;
    const disks = replicator.status().disks.map(({ diskId, device, sizeBytes }) => ({ diskId, device, sizeBytes }));
    const request = { version: productVersion(), bootId: readBootId(), name: identity.name, disks };
    return this.#inventoryTold ? request : { ...request, inventory: readInventory() };
  }

  async #hear(answer: HeartbeatAnswer): Promise<void> {
    this.#inventoryTold = true;
    const { settings, desired } = answer;
    // Where it was is better than nowhere: it may be there still.
    const { blockStream, blockStreamAlternatives } =
      answer.blockStream === null && this.#assignment !== null ? this.#assignment : answer;
    const assignment: Assignment = { blockStream, blockStreamAlternatives, settings, desired };
    const changed = this.#assignment === null || !sameAssignment(this.#assignment, assignment);
    this.#apply(assignment);
    if (!changed) return;
    const { gate, state } = this.#parts;
    await gate.write(() => state.writeAssignment(`${JSON.stringify(assignment, null, 2)}\n`));
  }

  /** Kept before anything ends for it: a process that is killed in between must not begin anew. Never rejects. */
  async #hearRemoved(message: string): Promise<void> {
    const { gate, state, log } = this.#parts;
    const removal = { schemaVersion: 1, learnedAt: new Date().toISOString(), message } as const;
    try {
      await gate.write(() => state.writeRemoval(removal));
    } catch (thrown) {
      // It is heard again at the next start.
      log.logger.error(`that the machine was removed could not be kept: ${toLmsError(thrown).message}`);
    }
    this.#removal = removal;
    this.#removed.abort(new DOMException(message, 'AbortError'));
  }

  #apply(assignment: Assignment): void {
    this.#assignment = assignment;
    const { replicator, endpoint, bandwidth } = this.#parts;
    replicator.updateSettings(assignment.settings);
    bandwidth.update(assignment.settings.bandwidth);
    endpoint.update(blockStreamAddresses(assignment));
    this.#setPaused(assignment.desired.paused);
  }

  #check({ target, address, remainingSeconds }: AgentCheck, signal: AbortSignal): Promise<CheckReport> {
    const { identity, certificate, privateKeyPem, caPem, endpoint, replicator } = this.#parts;
    const agent = {
      identity,
      credentials: { privateKeyPem, certificatePem: certificate.pem, caPem },
      addresses: inUseFirst(endpoint.address, this.#assignment),
      ownSession: replicator.status().connected ? ('connected' as const) : ('absent' as const),
      proxy: this.#proxies.manager,
      blockStreamProxy: this.#proxies.blockStream,
    };
    const deadline = AbortSignal.timeout(Math.ceil(remainingSeconds * 1_000));
    return checkAsAgent(agent, target, address ?? null, AbortSignal.any([signal, deadline]));
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#parts.replicator.pause();
    else this.#parts.replicator.resume();
  }

  async #sample(signal: AbortSignal): Promise<void> {
    let told: string | null = null;
    let toldAt = 0;
    do {
      const status = this.#parts.replicator.status();
      const now = `${status.state} ${status.stallCause ?? ''} ${this.#situation.change(status)}`;
      if (now === told && performance.now() - toldAt < SAMPLE_MILLISECONDS) continue;
      this.sampleNow();
      if (now !== told) this.#statistics.sendSoon();
      told = now;
      toldAt = performance.now();
    } while (await pause(STATE_CHECK_MILLISECONDS, signal));
  }
}
