// The manager's services with a real staging-controller that starts the real replication server; the agent is the test:
// it enrols, says its heartbeats and opens a block stream, each only when the test wants it.

import { join } from 'node:path';
import { AgentApi, enrolAgent } from '@lms/api';
import { connectBlockStream, type Frame, type FrameConnection } from '@lms/block-stream';
import { createGatewayService, type GatewayServiceModule } from '@lms/gateway';
import { createCertificateRequest, createPrivateKeyPem, makeAssertion } from '@lms/identity';
import { createLogIngestService } from '@lms/log-ingest';
import {
  InitiationStep,
  StagingService,
  StatisticsService,
  StepState,
  TokenPurpose,
  wordOf,
  type StagingObject,
} from '@lms/proto';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import type { Service } from '@lms/service';
import { createStagingControllerService } from '@lms/staging-controller';
import { createStatsIngestService } from '@lms/stats-ingest';
import { TestRegistry, type RegistryClient } from './registry.ts';
import { TemporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

const never = new AbortController().signal;
/** What must come by itself comes within seconds; what never comes is not waited for by a test for a minute. */
const PATIENCE = { stepMilliseconds: 2_000, dataMilliseconds: 2_000 };

export type StepWord = Exclude<keyof typeof InitiationStep, 'UNSPECIFIED' | 'UNRECOGNIZED'>;
type StateWord = Exclude<keyof typeof StepState, 'UNSPECIFIED' | 'UNRECOGNIZED'>;

export interface SeenStep {
  readonly state: string | null;
  readonly error: string;
  readonly attempt: number;
}

export interface StagingAreaOptions {
  /** Where 1500 is served. */
  readonly blockStreamListen?: string;
}

export class StagingArea implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly caSha256: string;
  readonly caPem: string;
  readonly statistics: RpcClient<typeof StatisticsService>;
  readonly #registry: TestRegistry;
  readonly #folder: TemporaryFolder;
  readonly #services: Service[] = [];
  readonly #clients: { close(): void }[] = [];
  readonly #options: StagingAreaOptions;
  #managerUrl = Promise.withResolvers<string>();
  readonly #addresses: { readonly statistics: string; readonly logs: string };
  #staging: RpcClient<typeof StagingService> | null = null;
  #url = '';

  private constructor(parts: {
    registry: TestRegistry;
    folder: TemporaryFolder;
    options: StagingAreaOptions;
    trust: { caPem: string; caSha256: string };
    statistics: RpcClient<typeof StatisticsService>;
    addresses: { statistics: string; logs: string };
    services: readonly Service[];
  }) {
    this.#registry = parts.registry;
    this.#folder = parts.folder;
    this.#options = parts.options;
    this.#services.push(...parts.services);
    this.#addresses = parts.addresses;
    this.#clients.push(parts.statistics);
    this.statistics = parts.statistics;
    this.caPem = parts.trust.caPem;
    this.caSha256 = parts.trust.caSha256;
    this.dataDirectory = join(parts.folder.path, 'staging');
  }

  /** The services without staging-controller, so that a test can prepare what it finds. */
  static async prepare(options: StagingAreaOptions = {}): Promise<StagingArea> {
    const registry = await TestRegistry.start();
    const trust = await (await registry.client('manager')).getTrust({});
    const { services, nats } = registry;
    const common = { listen: '127.0.0.1:0', events: nats.options };
    const statistics = createStatsIngestService({ ...common, tls: await services.service('stats-ingest') });
    const logs = createLogIngestService({ ...common, tls: await services.service('log-ingest') });
    await statistics.start(never);
    await logs.start(never);
    return new StagingArea({
      registry,
      folder: await TemporaryFolder.create(),
      options,
      trust,
      statistics: createRpcClient(StatisticsService, {
        address: statistics.address,
        component: 'stats-ingest',
        tls: await services.service('gateway'),
      }),
      addresses: { statistics: statistics.address, logs: logs.address },
      services: [statistics, logs],
    });
  }

  /** staging-controller, then the gateway, as the manager starts them. */
  async start(): Promise<void> {
    const { services, nats, service: registry } = this.#registry;
    const staging = createStagingControllerService({
      listen: '127.0.0.1:0',
      tls: await services.service('staging-controller'),
      events: nats.options,
      registryAddress: registry.address,
      patience: PATIENCE,
      host: {
        managerUrl: this.#managerUrl.promise,
        caSha256: this.caSha256,
        dataDirectory: this.dataDirectory,
        blockStreamListen: this.#options.blockStreamListen ?? '127.0.0.1:0',
        advertisedNames: [],
        name: 'host',
      },
    });
    this.#services.push(staging);
    await staging.start(never);
    const tls = await services.service('gateway');
    this.#staging = createRpcClient(StagingService, { address: staging.address, component: 'staging-controller', tls });
    this.#clients.push(this.#staging);
    const gateway = createGatewayService({
      listen: '127.0.0.1:0',
      tls,
      names: ['127.0.0.1'],
      registryAddress: registry.address,
      statisticsAddress: this.#addresses.statistics,
      logsAddress: this.#addresses.logs,
      stagingAddress: staging.address,
    });
    this.#services.push(gateway);
    await gateway.start(never);
    this.#openGateway(gateway);
  }

  /** The gateway and staging-controller, with its replication server. They can be started again, at other addresses. */
  async stop(): Promise<void> {
    for (const service of this.#services.splice(-2).reverse()) await service.stop();
    this.#managerUrl = Promise.withResolvers<string>();
  }

  registryClient(): Promise<RegistryClient> {
    return this.#registry.client('gateway');
  }

  /** Of all machines without `machineId`. */
  async objects(machineId = ''): Promise<readonly StagingObject[]> {
    const objects: StagingObject[] = [];
    for await (const part of this.#started().listStagingObjects({ machineId })) objects.push(...part.objects);
    return objects;
  }

  removeStaging(machineId: string) {
    return this.#started().removeStaging({ machineId });
  }

  /** As after the loss of the disk that NATS had its data on. */
  async loseState(): Promise<void> {
    const { nats } = this.#registry;
    await nats.kill();
    await nats.loseData();
    await nats.start();
  }

  async enrol(): Promise<TestAgent> {
    const registry = await this.#registry.client('gateway');
    const { secret } = await registry.createToken({
      purpose: TokenPurpose.MACHINE,
      name: '',
      uses: 1,
      expiresInSeconds: 600,
      dnsNames: [],
    });
    return TestAgent.enrol(this.#url, this.caPem, this.caSha256, secret);
  }

  async step(machineId: string, word: StepWord): Promise<SeenStep> {
    const { steps } = await this.#started().getInitiation({ machineId });
    const found = steps.find(({ step }) => step === InitiationStep[word]);
    if (found === undefined) throw new Error(`there is no step ${word}`);
    return { state: wordOf(StepState, found.state), error: found.error, attempt: found.attempt };
  }

  /** FAILED for the reason meant: on a slow machine a step may be overdue first. */
  async waitForStep(machineId: string, word: StepWord, state: StateWord, reason = ''): Promise<SeenStep> {
    return until(`${word} to be ${state}, ${reason}`, async () => {
      const seen = await this.step(machineId, word);
      return seen.state === state && seen.error.includes(reason) && seen;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const service of this.#services.reverse()) await service.stop();
    await this.#registry[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  #started(): RpcClient<typeof StagingService> {
    if (this.#staging === null) throw new Error('not started');
    return this.#staging;
  }

  #openGateway(gateway: GatewayServiceModule): void {
    this.#url = `https://127.0.0.1:${gateway.port}`;
    this.#managerUrl.resolve(this.#url);
  }
}

const DISKS = [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 16 * 1024 * 1024 }];

export class TestAgent implements AsyncDisposable {
  readonly machineId: string;
  readonly api: AgentApi;
  readonly #tls: { readonly ca: string; readonly key: string; readonly cert: string };
  #connection: FrameConnection | null = null;

  private constructor(machineId: string, api: AgentApi, tls: { ca: string; key: string; cert: string }) {
    this.machineId = machineId;
    this.api = api;
    this.#tls = tls;
  }

  static async enrol(managerUrl: string, caPem: string, caSha256: string, token: string): Promise<TestAgent> {
    const privateKeyPem = await createPrivateKeyPem();
    const csrPem = await createCertificateRequest(privateKeyPem);
    const request = { token, csrPem, name: 'source', version: '1.0.0', disks: DISKS, inventory: {} };
    const { machineId, certificatePem } = await enrolAgent(managerUrl, caPem, request, never);
    const signAssertion = () => makeAssertion({ privateKeyPem, certificatePem, caSha256 });
    const api = new AgentApi({ managerUrl, caPem, signAssertion });
    return new TestAgent(machineId, api, { ca: caPem, key: privateKeyPem, cert: certificatePem });
  }

  heartbeat() {
    return this.api.heartbeat({ version: '1.0.0', bootId: 'boot-1', disks: DISKS }, never);
  }

  /** Opens a session, and sends nothing but its hello. */
  async connect(): Promise<void> {
    const { blockStream } = await this.heartbeat();
    if (blockStream === null) throw new Error('the agent was told no replication server');
    const connection = await connectBlockStream({ ...blockStream, ...this.#tls, signal: never });
    this.#connection = connection;
    await connection.send({
      type: 'hello',
      protocolMinimum: 1,
      protocolMaximum: 1,
      agentVersion: '1.0.0',
      capabilities: [],
      bootId: 'boot-1',
      wholeDiskNumbers: [],
      mapEpoch: '00000000-0000-4000-8000-000000000001',
      acknowledgedMark: 0,
      disks: DISKS,
    });
    const answer = await connection.receive();
    if (answer?.type !== 'helloAnswer') throw new Error(`the answer to hello is ${JSON.stringify(answer)}`);
  }

  async sendData(): Promise<void> {
    await this.#connection?.send({ type: 'zero', diskIndex: 0, firstBlock: 0, blockCount: 1 });
  }

  /** Resolves when everything that was sent is durable: the session is the one that `connect` began. */
  async mark(markId: number): Promise<void> {
    const connection = this.#connection;
    if (connection === null) throw new Error('not connected');
    await connection.send({ type: 'mark', markId });
    for (let frame = await connection.receive(); ; frame = await connection.receive()) {
      if (frame?.type === 'markAck' && frame.markId === markId) return;
      if (frame?.type !== 'heartbeat') throw new Error(`instead of an answer to mark: ${JSON.stringify(frame)}`);
    }
  }

  /** With which the replication server ends the session. */
  async lastWord(): Promise<Frame | null> {
    for (let frame = await this.#connection?.receive(); ; frame = await this.#connection?.receive()) {
      if (frame?.type !== 'heartbeat') return frame ?? null;
    }
  }

  /** As an agent that cannot connect reports. */
  async report(detail: string): Promise<void> {
    const nothing = { bytesReadSource: 0, bytesSentWire: 0, bytesRaw: 0, chunksRaw: 0, chunksCompressed: 0 };
    const sample = { at: new Date().toISOString(), state: 'INITIATING', stallCause: null, stallDetail: null } as const;
    const process = { trackerLosses: 0, lastPauseMicroseconds: null, residentBytes: 0, cpuSeconds: 0 };
    await this.api.statistics([{ ...sample, detail, disks: [], ...nothing, ...process }], never);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection?.close();
    await this.api.close();
  }
}
