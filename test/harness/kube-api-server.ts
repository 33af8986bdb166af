// A real etcd and a real kube-apiserver on free ports of loopback, without any controller, scheduler or kubelet: what
// those would do, the test does. RBAC is on, Pod Security and quotas are enforced as anywhere.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { CertificateAuthority, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { BackgroundProcess } from './background-process.ts';
import { waitFor } from './condition.ts';
import { findFreePort } from './free-port.ts';
import { kubeProgram } from './kube-programs.ts';

const HOST = '127.0.0.1';
const AUDIT_LOG = 'audit.log';

export interface KubeApiServerOptions {
  /** Of users that may do everything, as the admin, and whose calls are written down one a line. */
  readonly audited?: readonly string[];
  /** More parameters of kube-apiserver. */
  readonly parameters?: readonly string[];
}

export class KubeApiServer implements AsyncDisposable {
  readonly #folder: string;
  readonly #caPem: string;
  readonly #adminToken: string;
  readonly #auditedTokens: ReadonlyMap<string, string>;
  readonly #url: string;
  readonly #etcd: BackgroundProcess;
  readonly #startServer: () => BackgroundProcess;
  #server: BackgroundProcess;

  private constructor(parts: {
    folder: string;
    caPem: string;
    adminToken: string;
    auditedTokens: ReadonlyMap<string, string>;
    url: string;
    etcd: BackgroundProcess;
    startServer: () => BackgroundProcess;
  }) {
    this.#folder = parts.folder;
    this.#caPem = parts.caPem;
    this.#adminToken = parts.adminToken;
    this.#auditedTokens = parts.auditedTokens;
    this.#url = parts.url;
    this.#etcd = parts.etcd;
    this.#startServer = parts.startServer;
    this.#server = parts.startServer();
  }

  /** Resolves when it is ready. */
  static async start(options: KubeApiServerOptions = {}): Promise<KubeApiServer> {
    const folder = await mkdtemp(join(tmpdir(), 'lms-kube-api-'));
    const port = await findFreePort();
    const etcdUrl = `http://${HOST}:${await findFreePort()}`;
    const { audited = [], parameters = [] } = options;
    const adminToken = newToken();
    const auditedTokens = new Map(audited.map((name) => [name, newToken()]));
    const caPem = await writeCredentials(folder, new Map([['admin', adminToken], ...auditedTokens]));
    const auditing = audited.length === 0 ? [] : await writeAuditPolicy(folder, audited);
    const etcd = startEtcd(folder, etcdUrl, `http://${HOST}:${await findFreePort()}`);
    const startServer = (): BackgroundProcess => startApiServer(folder, etcdUrl, port, [...auditing, ...parameters]);
    const server = new KubeApiServer({
      folder,
      caPem,
      adminToken,
      auditedTokens,
      url: `https://${HOST}:${port}`,
      etcd,
      startServer,
    });
    try {
      await server.#waitUntilReady();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The server's own words, for a test that fails. */
  get logPath(): string {
    return this.#server.logPath;
  }

  /** One JSON object a line, of the users that are audited. */
  get auditLogPath(): string {
    return join(this.#folder, AUDIT_LOG);
  }

  /** May do everything, and is audited. */
  auditedConfig(name: string, namespace = 'default'): KubeConfig {
    const token = this.#auditedTokens.get(name);
    if (token === undefined) throw new Error(`${name} is no user that is audited`);
    return this.configFor(token, namespace);
  }

  get serverPid(): number {
    return this.#server.pid;
  }

  /** Of etcd's file, which grows and never shrinks by itself. */
  async storedBytes(): Promise<number> {
    return (await stat(join(this.#folder, 'etcd/member/snap/db'))).size;
  }

  /** May do everything. */
  adminConfig(namespace = 'default'): KubeConfig {
    return this.configFor(this.#adminToken, namespace);
  }

  /** For whoever has this token: of a service account, made by the server's TokenRequest API. */
  configFor(token: string, namespace = 'default'): KubeConfig {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [{ name: 'test', server: this.#url, caData: Buffer.from(this.#caPem).toString('base64') }],
      users: [{ name: 'test', token }],
      contexts: [{ name: 'test', cluster: 'test', user: 'test', namespace }],
      currentContext: 'test',
    });
    return config;
  }

  /** For programs: the text of a kubeconfig file of the admin. */
  adminKubeconfig(namespace = 'default'): string {
    return this.adminConfig(namespace).exportConfig();
  }

  /** As if its machine had died; its data stay. */
  async kill(): Promise<void> {
    await this.#server.kill();
  }

  /** After `kill`: on the same port, with the same data. */
  async restart(): Promise<void> {
    this.#server = this.#startServer();
    await this.#waitUntilReady();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.kill();
    await this.#etcd.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #waitUntilReady(): Promise<void> {
    const { CoreV1Api } = await import('@kubernetes/client-node');
    const api = this.adminConfig().makeApiClient(CoreV1Api);
    await waitFor(
      'kube-apiserver to be ready',
      async () => {
        if (!this.#etcd.running) throw new Error(`etcd ended: ${this.#etcd.log().slice(-2_000)}`);
        if (!this.#server.running) throw new Error(`kube-apiserver ended: ${this.#server.log().slice(-2_000)}`);
        const { items } = await api.listNamespace();
        return items.some(({ metadata }) => metadata?.name === 'default');
      },
      { timeoutMilliseconds: 120_000 },
    );
  }
}

/** Returns the PEM of the CA that signed the server's certificate. */
async function writeCredentials(folder: string, tokens: ReadonlyMap<string, string>): Promise<string> {
  const authority = await CertificateAuthority.open(await CertificateAuthority.create());
  const privateKeyPem = await createPrivateKeyPem();
  const request = await createCertificateRequest(privateKeyPem);
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const secret = { mode: 0o600 };
  await writeFile(join(folder, 'server.crt'), await authority.issueGateway(request, [HOST, 'localhost']));
  await writeFile(join(folder, 'server.key'), privateKeyPem, secret);
  await writeFile(join(folder, 'accounts.key'), accounts.privateKey.export({ type: 'pkcs8', format: 'pem' }), secret);
  await writeFile(join(folder, 'accounts.pub'), accounts.publicKey.export({ type: 'spki', format: 'pem' }));
  const lines = [...tokens].map(([name, token]) => `${token},${name},${name},system:masters\n`);
  await writeFile(join(folder, 'tokens.csv'), lines.join(''), secret);
  return authority.certificatePem;
}

function newToken(): string {
  return randomBytes(32).toString('hex');
}

/** Returns the parameters that make the server write down what these users ask. */
async function writeAuditPolicy(folder: string, users: readonly string[]): Promise<readonly string[]> {
  const path = join(folder, 'audit-policy.json');
  const rules = [{ level: 'Metadata', users }, { level: 'None' }];
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules };
  await writeFile(path, JSON.stringify(policy));
  return [`--audit-policy-file=${path}`, `--audit-log-path=${join(folder, AUDIT_LOG)}`, '--audit-log-maxsize=1000'];
}

function startEtcd(folder: string, clientUrl: string, peerUrl: string): BackgroundProcess {
  return new BackgroundProcess({
    program: kubeProgram('etcd'),
    parameters: [
      ...['--name', 'test', '--data-dir', join(folder, 'etcd')],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `test=${peerUrl}`, '--log-level', 'warn'],
      // It lives as long as the test; nothing of it survives a power cut anyway.
      '--unsafe-no-fsync',
    ],
    logPath: join(folder, 'etcd.log'),
  });
}

function startApiServer(folder: string, etcdUrl: string, port: number, more: readonly string[]): BackgroundProcess {
  return new BackgroundProcess({
    program: kubeProgram('kube-apiserver'),
    parameters: [
      `--etcd-servers=${etcdUrl}`,
      `--bind-address=${HOST}`,
      `--secure-port=${port}`,
      `--cert-dir=${folder}`,
      `--tls-cert-file=${join(folder, 'server.crt')}`,
      `--tls-private-key-file=${join(folder, 'server.key')}`,
      `--token-auth-file=${join(folder, 'tokens.csv')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(folder, 'accounts.pub')}`,
      `--service-account-signing-key-file=${join(folder, 'accounts.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--authorization-mode=RBAC',
      // Needs a controller that makes the account `default` of each namespace.
      '--disable-admission-plugins=ServiceAccount',
      // Loopback is no address of an API server that a Service could have.
      '--endpoint-reconciler-type=none',
      '--allow-privileged=true',
      ...more,
    ],
    logPath: join(folder, 'kube-apiserver.log'),
  });
}
