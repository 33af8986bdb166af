/** A real gateway over a real registry, statistics and logs; only staging-controller is a double. */
import { createHash, randomBytes } from 'node:crypto';
import {
  AgentApi,
  OperatorApi,
  ReplicationServerApi,
  createDispatcher,
  enrolAgent,
  enrolReplicationServer,
  type EnrolAgentAnswer,
} from '@lms/api';
import { createGatewayService, type GatewayConfiguration, type GatewayServiceModule } from '@lms/gateway';
import { createCertificateRequest, createPrivateKeyPem, makeAssertion } from '@lms/identity';
import { createLogIngestService } from '@lms/log-ingest';
import { TokenPurpose } from '@lms/proto';
import type { Service } from '@lms/service';
import { createStatsIngestService } from '@lms/stats-ingest';
import { request, type Agent, type Dispatcher } from 'undici';
import { TestRegistry, type RegistryClient } from './registry.ts';
import { StagingDouble } from './staging-double.ts';

export const never = new AbortController().signal;

export interface Enrolled {
  readonly answer: EnrolAgentAnswer;
  readonly privateKeyPem: string;
  readonly api: AgentApi;
  readonly assertion: () => Promise<string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: Record<string, unknown>;
}

export class TestGateway implements AsyncDisposable {
  /** For a second one beside it. */
  readonly configuration: GatewayConfiguration;
  readonly registry: TestRegistry;
  readonly staging: StagingDouble;
  readonly service: GatewayServiceModule;
  readonly operator: OperatorApi;
  readonly apiToken: string;
  readonly caPem: string;
  readonly caSha256: string;
  readonly manager: RegistryClient;
  readonly #dispatcher: Agent;
  readonly #others: readonly Service[];
  readonly #apis: { close(): Promise<void> }[] = [];
  #names = 0;

  private constructor(parts: {
    configuration: GatewayConfiguration;
    registry: TestRegistry;
    staging: StagingDouble;
    service: GatewayServiceModule;
    apiToken: string;
    caPem: string;
    caSha256: string;
    manager: RegistryClient;
    others: readonly Service[];
  }) {
    this.configuration = parts.configuration;
    this.registry = parts.registry;
    this.staging = parts.staging;
    this.service = parts.service;
    this.apiToken = parts.apiToken;
    this.caPem = parts.caPem;
    this.caSha256 = parts.caSha256;
    this.manager = parts.manager;
    this.#others = parts.others;
    this.#dispatcher = createDispatcher(this.caPem);
    this.operator = new OperatorApi({ managerUrl: this.url, caPem: this.caPem, apiToken: this.apiToken, retries: 0 });
  }

  /** `changes`: to its configuration. */
  static async start(changes: Partial<GatewayConfiguration> = {}): Promise<TestGateway> {
    const registry = await TestRegistry.start();
    const { services, nats } = registry;
    const staging = await StagingDouble.start(await services.service('staging-controller'));
    const listen = '127.0.0.1:0';
    const events = nats.options;
    const statistics = createStatsIngestService({ listen, tls: await services.service('stats-ingest'), events });
    const logs = createLogIngestService({ listen, tls: await services.service('log-ingest'), events });
    await statistics.start(never);
    await logs.start(never);
    const configuration: GatewayConfiguration = {
      listen,
      tls: await services.service('gateway'),
      names: ['127.0.0.1'],
      registryAddress: registry.service.address,
      statisticsAddress: statistics.address,
      logsAddress: logs.address,
      stagingAddress: staging.address,
      ...changes,
    };
    const service = createGatewayService(configuration);
    await service.start(never);
    const manager = await registry.client('manager');
    const apiToken = randomBytes(32).toString('base64url');
    const secretSha256 = createHash('sha256').update(apiToken).digest('hex');
    await manager.ensureOperatorToken({ secretSha256, name: 'test' });
    const { caPem, caSha256 } = await manager.getTrust({});
    const others = [statistics, logs];
    return new TestGateway({ configuration, registry, staging, service, apiToken, caPem, caSha256, manager, others });
  }

  get url(): string {
    return `https://127.0.0.1:${this.service.port}`;
  }

  /** As it comes, whatever the status. */
  async send(method: Dispatcher.HttpMethod, path: string, options: SendOptions = {}): Promise<Answer> {
    const { body: sent, headers = {}, token } = options;
    const answer = await request(this.url + path, {
      method,
      dispatcher: this.#dispatcher,
      headers: {
        ...(sent === undefined || Buffer.isBuffer(sent) ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      body: sent === undefined ? null : typeof sent === 'string' || Buffer.isBuffer(sent) ? sent : JSON.stringify(sent),
    });
    const text = await answer.body.text();
    const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: answer.statusCode, headers: answer.headers, body };
  }

  /** What is not JSON. */
  async fetch(path: string, headers: Readonly<Record<string, string>> = {}) {
    const answer = await request(this.url + path, { dispatcher: this.#dispatcher, headers });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  async enrolment(token?: string, name?: string) {
    const privateKeyPem = await createPrivateKeyPem();
    const request = {
      token: token ?? (await this.operator.createToken({}, never)).token,
      csrPem: await createCertificateRequest(privateKeyPem),
      name: name ?? `source-${(this.#names += 1)}`,
      version: '1.0.0',
      disks: [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576 }],
      inventory: { hostName: 'source' },
    };
    return { privateKeyPem, request };
  }

  async enrolAgent(): Promise<Enrolled> {
    const { privateKeyPem, request } = await this.enrolment();
    const answer = await enrolAgent(this.url, this.caPem, request, never);
    const { certificatePem } = answer;
    const assertion = () => makeAssertion({ privateKeyPem, certificatePem, caSha256: this.caSha256 });
    const api = new AgentApi({ managerUrl: this.url, caPem: this.caPem, signAssertion: assertion, retries: 0 });
    this.#apis.push(api);
    return { answer, privateKeyPem, api, assertion };
  }

  /** `managerUrl`: of the gateway that it goes to. */
  async enrolReplicationServer(name: string, managerUrl: string = this.url): Promise<ReplicationServerApi> {
    const { secret } = await this.manager.createToken({
      purpose: TokenPurpose.REPLICATION_SERVER,
      name: '',
      uses: 1,
      expiresInSeconds: 60,
      dnsNames: ['*.block-stream.lms.internal'],
    });
    const privateKeyPem = await createPrivateKeyPem();
    const csrPem = await createCertificateRequest(privateKeyPem);
    const request = { token: secret, csrPem, name, version: '1.0.0' };
    const { certificatePem } = await enrolReplicationServer(managerUrl, this.caPem, request, never);
    const signAssertion = () => makeAssertion({ privateKeyPem, certificatePem, caSha256: this.caSha256 });
    const api = new ReplicationServerApi({ managerUrl, caPem: this.caPem, signAssertion, retries: 0 });
    this.#apis.push(api);
    return api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const api of this.#apis) await api.close();
    await this.operator.close();
    await this.#dispatcher.destroy();
    await this.service.stop();
    for (const other of this.#others) await other.stop();
    await this.staging[Symbol.asyncDispose]();
    await this.registry[Symbol.asyncDispose]();
  }
}

export interface SendOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
}
