/**
 * The process: TCP 1500 on one side, the manager's 443 on the other, the data folder below.
 *
 * Start: lock, identity (enrolment at the first start), assignments from the last run, TCP 1500, then the loops that talk
 * to the manager. Replication needs none of them: a manager that is away delays reports, never data. Stop, in order: no
 * new connections, sessions told to come back and their store call finished, stores closed, last reports tried, lock.
 */
import { ReplicationServerApi } from '@lms/api';
import type { Bandwidth, ReplicationServerSettings } from '@lms/api';
import { BandwidthLimiter } from '@lms/bandwidth';
import { createBlockStreamListener } from '@lms/block-stream';
import type { BlockStreamListener } from '@lms/block-stream';
import { checkManager } from '@lms/network-check';
import { toLmsError } from '@lms/errors';
import type { ProxySettings } from '@lms/proxy';
import { HEALTHY, unhealthy } from '@lms/service';
import type { Health, Service } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { Configuration } from './configuration.ts';
import { ConnectionChecks } from './connection-checks.ts';
import { MachineReplicas } from './core/machine-replicas.ts';
import { openDataFolder } from './data-folder.ts';
import type { DataFolder } from './data-folder.ts';
import { openFencingFiles } from './fencing-file.ts';
import { Assignments } from './manager/assignments.ts';
import { keepCertificate } from './manager/certificate-renewal.ts';
import { ExportHolds } from './manager/export-holds.ts';
import type { LogUpload } from './manager/log-upload.ts';
import { ManagerProxy } from './manager/manager-proxy.ts';
import type { ProxyUse } from './manager/manager-proxy.ts';
import { proxyOfSettings } from './manager/proxy-of-settings.ts';
import { NetworkChecks } from './manager/network-checks.ts';
import { PointReports } from './manager/point-reports.ts';
import { keepReady } from './manager/ready-reports.ts';
import { ensureIdentity } from './manager/server-identity.ts';
import type { ServerIdentity } from './manager/server-identity.ts';
import { StatisticsReports } from './manager/statistics.ts';
import { Tasks } from './manager/tasks.ts';
import { Refusals } from './refusals.ts';
import { createReplicationObserver } from './replication-observer.ts';
import { openMachineStore, stagingHasRoom } from './staging-area.ts';
import { createStagingLocation } from './staging-location.ts';
import { StagingRemoval } from './staging-removal.ts';
import { systemClock } from './system-clock.ts';

/** Reported to the manager and in enrolment. */
export const VERSION = '0.1.0';
/** The last log lines and reports get this long at a stop. */
const LAST_REPORTS_MILLISECONDS = 3_000;

/** All that exists between start and stop. */
interface Running {
  readonly api: ReplicationServerApi;
  readonly replicas: MachineReplicas;
  readonly reports: PointReports;
  readonly tasks: Tasks;
  readonly checks: NetworkChecks;
  readonly holds: ExportHolds;
  readonly listener: BlockStreamListener;
  readonly loops: readonly Promise<void>[];
}

export class ReplicationServer implements Service {
  readonly name = 'replication-server';
  readonly #configuration: Configuration;
  readonly #logger: Logger;
  readonly #logs: LogUpload;
  /** Of all that comes in on 1500. */
  readonly #bandwidth = new BandwidthLimiter(systemClock);
  readonly #stopping = new AbortController();
  readonly #refusals = new Refusals();
  #folder: DataFolder | null = null;
  #running: Running | null = null;
  #proxy: ManagerProxy | null = null;
  #managerProblem: string | null = 'the manager was not reached yet';

  constructor(configuration: Configuration, logger: Logger, logs: LogUpload) {
    this.#configuration = configuration;
    this.#logger = logger;
    this.#logs = logs;
  }

  /** Where agents connect; null before the start. */
  get address(): { readonly host: string; readonly port: number } | null {
    const listener = this.#running?.listener;
    return listener === undefined ? null : { host: listener.host, port: listener.port };
  }

  health(): Health {
    if (this.#running === null) return unhealthy('not started');
    return this.#managerProblem === null ? HEALTHY : unhealthy(this.#managerProblem);
  }

  /** Agents can come. A manager that is away takes nothing from that: replication goes on without it. */
  readiness(): Health {
    return this.#running === null ? unhealthy('not started') : HEALTHY;
  }

  async start(signal: AbortSignal): Promise<void> {
    const folder = await openDataFolder(this.#configuration.dataFolder);
    this.#folder = folder;
    const { proxy: installed, managerUrl } = this.#configuration;
    const proxy = new ManagerProxy({ file: folder.proxyFile, installed, logger: this.#logger });
    await proxy.load();
    this.#proxy = proxy;
    const identity = await ensureIdentity(folder.identityFolder, this.#configuration, VERSION, proxy.present, signal);
    const assignments = new Assignments(folder.assignmentsFile);
    await assignments.load();
    const api = createApi(identity, managerUrl, proxy.present);
    this.#bandwidth.update(assignments.bandwidth);
    const holds = await this.#loadHolds(folder);
    const replicas = await this.#createReplicas(folder, assignments, holds);
    const listener = await this.#listen(identity, replicas);
    const reports = this.#createReports(api, replicas, assignments);
    const tasks = this.#createTasks(api, replicas, reports, holds);
    const checks = this.#createChecks(api, identity, proxy);
    const parts = { folder, identity, assignments, api, replicas, listener, reports, tasks, checks, holds };
    const loops = [...this.#startLoops(parts), proxy.run(this.#useOfProxy(identity, api), this.#stopping.signal)];
    this.#running = { ...parts, loops };
  }

  /** How the manager is to be reached, as it says itself. The way of before stays until the new one has led there once. */
  #applyProxy(told: ReplicationServerSettings['proxy']): void {
    try {
      this.#proxy?.want(proxyOfSettings(told));
    } catch (thrown) {
      const { code, message, action } = toLmsError(thrown);
      this.#logger.warn({ code, action }, `the proxy of the settings cannot be used: ${message}`);
    }
  }

  #useOfProxy(identity: ServerIdentity, api: ReplicationServerApi): ProxyUse {
    return {
      attempt: async (proxy, signal) => {
        const trial = createApi(identity, this.#configuration.managerUrl, proxy);
        try {
          await trial.authenticate(signal);
        } finally {
          await trial.close();
        }
      },
      take: (proxy) => api.changeProxy(proxy),
    };
  }

  async #loadHolds(folder: DataFolder): Promise<ExportHolds> {
    const holds = new ExportHolds({
      file: folder.exportsFile,
      onFailure: ({ code, message }) => this.#logger.warn({ code, reason: message }, 'exports are not remembered'),
    });
    await holds.load();
    return holds;
  }

  async #createReplicas(folder: DataFolder, assignments: Assignments, holds: ExportHolds): Promise<MachineReplicas> {
    const floorOf = (machineId: string): number | null =>
      assignments.machines.get(machineId)?.settings.floorBytes ?? null;
    return new MachineReplicas({
      clock: systemClock,
      location: createStagingLocation(folder.path),
      fencing: await openFencingFiles(folder.fencingFolder),
      observer: createReplicationObserver(this.#logger, () => this.#running?.reports ?? null, this.#refusals),
      openStore: async (machineId) => {
        const logger = this.#logger.child({ machineId });
        const store = await openMachineStore(folder.machineFolder(machineId), floorOf(machineId), logger);
        holds.attach(machineId, store);
        return store;
      },
      hasRoom: (machineId) => stagingHasRoom(folder.path, floorOf(machineId)),
      assignment: (machineId) => {
        const machine = assignments.machines.get(machineId);
        return machine === undefined ? null : { retention: machine.settings.retention };
      },
    });
  }

  #listen(identity: ServerIdentity, replicas: MachineReplicas): Promise<BlockStreamListener> {
    const checks = new ConnectionChecks({
      clock: systemClock,
      isConnected: (machineId) => replicas.isConnected(machineId),
    });
    return createBlockStreamListener({
      ...this.#configuration.listen,
      ca: identity.caPem,
      key: identity.privateKeyPem,
      cert: identity.certificatePem,
      trustDomain: identity.trustDomain,
      proxyProtocol: this.#configuration.proxyProtocol,
      receiveShare: () => this.#bandwidth.share(),
      onConnection: (connection, peer) => {
        this.#logger.info({ ...peer }, 'agent connected');
        void replicas.serve(peer.machineId, connection);
      },
      onCheck: (connection, peer) => {
        this.#logger.info({ ...peer }, 'an agent checks the way');
        void checks.serve(peer.machineId, connection);
      },
      onRefused: (error, address, claimed) => {
        this.#refusals.record(error, { machineId: claimed, address, proven: false });
        this.#logger.warn({ address, code: error.code, reason: error.message }, 'block-stream connection refused');
      },
    });
  }

  #limit(bandwidth: Bandwidth): void {
    const before = this.#bandwidth.inForce().limitBitsPerSecond;
    this.#bandwidth.update(bandwidth);
    const { limitBitsPerSecond } = this.#bandwidth.inForce();
    if (limitBitsPerSecond !== before) this.#logger.info({ limitBitsPerSecond }, 'another bandwidth limit holds');
  }

  #createReports(api: ReplicationServerApi, replicas: MachineReplicas, assignments: Assignments): PointReports {
    return new PointReports({
      send: (machineId, report, signal) => api.reportPoints(machineId, report, signal),
      points: async (machineId) => {
        if (!assignments.machines.has(machineId)) return null;
        const store = await replicas.replica(machineId).store();
        return store.points();
      },
      onFailure: (machineId, error) =>
        this.#logger.warn({ machineId, code: error.code, reason: error.message }, 'points not reported yet'),
      signal: this.#stopping.signal,
    });
  }

  #createTasks(api: ReplicationServerApi, replicas: MachineReplicas, reports: PointReports, holds: ExportHolds): Tasks {
    return new Tasks({
      api,
      store: async (machineId) => replicas.replica(machineId).store(),
      holds,
      onPointsChanged: (machineId) => reports.reportAll(machineId),
      onFinished: (task, error) => {
        const { id, kind, machineId, sequence } = task;
        if (error === null) this.#logger.info({ id, kind, machineId, sequence }, 'task done');
        else
          this.#logger.warn({ id, kind, machineId, sequence, code: error.code, reason: error.message }, 'task failed');
      },
      signal: this.#stopping.signal,
    });
  }

  #createChecks(api: ReplicationServerApi, identity: ServerIdentity, proxy: ManagerProxy): NetworkChecks {
    const { managerUrl, caSha256 } = this.#configuration;
    return new NetworkChecks({
      api,
      check: (signal) =>
        checkManager({
          from: 'replication-server',
          managerUrl,
          caSha256,
          caPem: identity.caPem,
          proxy: proxy.present,
          identity: {
            certificatePem: identity.certificatePem,
            tokenPath: '/v1/replication-server/token',
            signAssertion: () => identity.signAssertion(),
          },
          signal,
        }),
      onFinished: (id, found) => this.#logger.info({ id, found }, 'the way to the manager was checked'),
      signal: this.#stopping.signal,
    });
  }

  #startLoops(parts: {
    readonly folder: DataFolder;
    readonly identity: ServerIdentity;
    readonly assignments: Assignments;
    readonly api: ReplicationServerApi;
    readonly replicas: MachineReplicas;
    readonly listener: BlockStreamListener;
    readonly reports: PointReports;
    readonly tasks: Tasks;
    readonly checks: NetworkChecks;
    readonly holds: ExportHolds;
  }): readonly Promise<void>[] {
    const { folder, identity, assignments, api, replicas, listener, reports, tasks, checks, holds } = parts;
    const { signal } = this.#stopping;
    const reportAll = (machineIds: Iterable<string>): void => {
      for (const machineId of machineIds) reports.reportAll(machineId);
    };
    const removal = new StagingRemoval({
      folder,
      isAssigned: (machineId) => assignments.machines.has(machineId),
      release: (machineId) => replicas.release(machineId),
      onRemoved: (machineId) => {
        reports.forget(machineId);
        holds.forget(machineId);
      },
      logger: this.#logger,
    });
    const follow = assignments.follow(
      api,
      {
        onMachines: async (added, removed) => {
          this.#limit(assignments.bandwidth);
          await removal.take(removed);
          await replicas.closeUnassigned(removal.waiting);
          // Making the replica known is what its statistics, and so its initiation steps, begin with.
          for (const machineId of added) replicas.replica(machineId);
          reportAll(added);
        },
        onTasks: (listed) => tasks.update(listed),
        onProxy: (told) => this.#applyProxy(told),
        onChecks: (listed) => checks.update(listed),
        onManagerBack: () => {
          this.#managerProblem = null;
          this.#logger.info('the manager answers');
          reportAll(assignments.machines.keys());
        },
        onManagerAway: (error) => {
          this.#managerProblem = `the manager does not answer: ${error.message}`;
          this.#logger.warn({ code: error.code, reason: error.message }, 'the manager does not answer');
        },
      },
      signal,
    );
    for (const machineId of assignments.machines.keys()) replicas.replica(machineId);
    const statistics = new StatisticsReports({
      dataFolder: folder.path,
      replicas: () => replicas.all(),
      refusals: (machineId) => this.#refusals.of(machineId),
      bandwidthLimitBitsPerSecond: () => this.#bandwidth.inForce().limitBitsPerSecond,
      send: (batch, sendSignal) => api.statistics(batch, sendSignal),
    });
    return [
      follow,
      removal.run(signal),
      this.#keepReady(api, folder, listener, signal),
      statistics.run(signal),
      this.#logs.run((batch, sendSignal) => api.logs(batch, sendSignal), signal),
      keepCertificate(identity, api, listener, this.#logger, signal),
    ];
  }

  #keepReady(
    api: ReplicationServerApi,
    folder: DataFolder,
    listener: BlockStreamListener,
    signal: AbortSignal,
  ): Promise<void> {
    const { advertise } = this.#configuration;
    const address = advertise?.host ?? listener.host;
    const port = advertise?.port || listener.port;
    const where = { address, port, version: VERSION };
    return keepReady({ api, dataFolder: folder.path, where, logger: this.#logger }, signal);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running !== null) {
      await running.replicas.close();
      await running.listener.close();
      this.#stopping.abort();
      await Promise.all(running.loops);
      await Promise.all([running.reports.idle(), running.tasks.idle(), running.checks.idle()]);
      running.holds[Symbol.dispose]();
      await running.holds.idle();
      const last = AbortSignal.timeout(LAST_REPORTS_MILLISECONDS);
      await this.#logs.flush((batch, signal) => running.api.logs(batch, signal), last);
      await running.api.close();
    }
    this.#folder?.lock.release();
    this.#folder = null;
  }
}

function createApi(identity: ServerIdentity, managerUrl: string, proxy: ProxySettings | null): ReplicationServerApi {
  const { caPem } = identity;
  return new ReplicationServerApi({ managerUrl, caPem, signAssertion: () => identity.signAssertion(), proxy });
}
