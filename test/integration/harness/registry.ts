/** A real registry on a real NATS: gRPC over TLS on a free port, its CA in a temporary folder. */
import { join } from 'node:path';
import { RegistryService } from '@lms/proto';
import { createRegistryService, type RegistryServiceModule } from '@lms/registry';
import { createRpcClient, type RpcClient } from '@lms/rpc';
import { TestAuthority } from './certificates.ts';
import { TestNatsServer } from './nats-server.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export type RegistryClient = RpcClient<typeof RegistryService>;

export class TestRegistry implements AsyncDisposable {
  readonly nats: TestNatsServer;
  /** Of the services among each other. */
  readonly services: TestAuthority;
  readonly #folder: TemporaryFolder;
  #service: RegistryServiceModule | null = null;
  readonly #clients: RegistryClient[] = [];

  private constructor(nats: TestNatsServer, services: TestAuthority, folder: TemporaryFolder) {
    this.nats = nats;
    this.services = services;
    this.#folder = folder;
  }

  static async start(): Promise<TestRegistry> {
    const nats = await TestNatsServer.start();
    const registry = new TestRegistry(nats, await TestAuthority.create(), await TemporaryFolder.create());
    await registry.start();
    return registry;
  }

  get service(): RegistryServiceModule {
    if (this.#service === null) throw new Error('the registry is stopped');
    return this.#service;
  }

  get caDirectory(): string {
    return join(this.#folder.path, 'ca');
  }

  async start(): Promise<void> {
    this.#service = createRegistryService({
      listen: '127.0.0.1:0',
      tls: await this.services.service('registry'),
      events: this.nats.options,
      caDirectory: this.caDirectory,
      natsPidFile: null,
    });
    await this.#service.start(new AbortController().signal);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await this.#service?.stop();
    this.#service = null;
  }

  /** As `component` would call it. */
  async client(component = 'gateway'): Promise<RegistryClient> {
    const tls = await this.services.service(component);
    const client = createRpcClient(RegistryService, { address: this.service.address, component: 'registry', tls });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.nats[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}
