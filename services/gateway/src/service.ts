/** The gateway as a service: trust and certificate from the registry, routes over the clients, 443. */
import type { Server as HttpsServer } from 'node:https';
import { LmsError, toLmsError } from '@lms/errors';
import { BackOff, HEALTHY, pause, unhealthy, type Health, type Service } from '@lms/service';
import { createLogger } from '@lms/telemetry';
import { PackageStore } from './agent-packages/package-store.ts';
import { Authentication } from './access/authentication.ts';
import { ConsoleSessions } from './access/console-session.ts';
import type { GatewayConfiguration } from './config.ts';
import { ExportExchange } from './export/export-exchange.ts';
import { createApplication, type Application } from './http/application.ts';
import { listenOn } from './http/listen.ts';
import { listenPlainly, type PlainListener } from './http/plain-listener.ts';
import { certificateNames, formatHostPort, parseListenAddress } from './listen-address.ts';
import { createServiceClients, type ServiceClients } from './manager-services.ts';
import { startPeers, type Peers } from './peers/index.ts';
import { addConsoleRoutes } from './console/console-routes.ts';
import { addAgentRoutes } from './routes/agent.ts';
import { addAgentPackageRoutes } from './routes/agent-packages.ts';
import { addAnyoneRoutes } from './routes/anyone.ts';
import { addCheckRoutes } from './routes/operator-checks.ts';
import { addImageRoutes } from './routes/operator-images.ts';
import { addDiagnosisRoute } from './routes/operator-diagnosis.ts';
import { addLogRoutes } from './routes/operator-logs.ts';
import { addMachineRoutes } from './routes/operator-machines.ts';
import { addSettingsRoutes } from './routes/operator-settings.ts';
import { addNetworkRoute } from './routes/operator-network.ts';
import { addPointRoutes } from './routes/operator-points.ts';
import { addRemovalRoutes } from './routes/operator-removal.ts';
import { addStatusRoute } from './routes/operator-status.ts';
import { addTokenRoutes } from './routes/operator-tokens.ts';
import { addReplicationServerRoutes } from './routes/replication-server.ts';
import { addSessionRoutes } from './routes/session.ts';
import type { RouteContext, Trust } from './routes/route-context.ts';
import { keepRenewed, requestCertificate } from './server-certificate.ts';

/** How soon the registry is asked again while it starts. */
const RETRY_LIMITS = { firstMilliseconds: 100, longestMilliseconds: 2_000 };

export interface GatewayServiceModule extends Service {
  /** Of 443, once started. */
  readonly port: number;
  /** Of the plain port; null: there is none. */
  readonly plainPort: number | null;
  /** HOST:PORT for other gateways; null: there are none. */
  readonly peerAddress: string | null;
  /** What others are told: https://… */
  readonly managerUrl: string;
}

export function createGatewayService(configuration: GatewayConfiguration): GatewayServiceModule {
  return new Gateway(configuration);
}

class Gateway implements GatewayServiceModule {
  readonly name = 'gateway';
  readonly #configuration: GatewayConfiguration;
  readonly #logger = createLogger('gateway');
  readonly #stopping = new AbortController();
  #clients: ServiceClients | null = null;
  #application: Application | null = null;
  #plain: PlainListener | null = null;
  #peers: Peers | null = null;
  #renewing: Promise<void> = Promise.resolve();
  #port: number | null = null;

  constructor(configuration: GatewayConfiguration) {
    this.#configuration = configuration;
  }

  get port(): number {
    if (this.#port === null) throw new Error('the gateway is not started');
    return this.#port;
  }

  get plainPort(): number | null {
    return this.#plain?.port ?? null;
  }

  get peerAddress(): string | null {
    return this.#peers?.address ?? null;
  }

  get managerUrl(): string {
    const { names, publicUrl, listen } = this.#configuration;
    return publicUrl ?? `https://${formatHostPort(names[0] ?? parseListenAddress(listen).host, this.port)}`;
  }

  health(): Health {
    return this.#port === null ? unhealthy('not started') : HEALTHY;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { names, listen, listenPlain, forwardedHops } = this.#configuration;
    const { host, port } = parseListenAddress(listen);
    const clients = createServiceClients(this.#configuration);
    this.#clients = clients;
    const request = () => requestCertificate(clients, certificateNames(names, host));
    const [trust, certificate] = await this.#untilRegistryAnswers(async () => {
      const { caPem, caSha256, trustDomain, accessTokenKey } = await clients.registry.getTrust({});
      const told: Trust = { caPem, caSha256, trustDomain, key: new Uint8Array(accessTokenKey) };
      return [told, await request()] as const;
    }, signal);
    const sessions = new ConsoleSessions(trust);
    const authentication = new Authentication(clients.registry, trust);
    const application = await createApplication({
      ...certificate,
      authentication,
      sessions,
      logger: this.#logger,
      ...(forwardedHops === undefined ? {} : { forwardedHops }),
    });
    this.#application = application;
    this.#peers = await startPeers(this.#configuration, () => this.health(), this.#logger);
    addRoutes(application, {
      clients,
      trust,
      managerUrl: () => this.managerUrl,
      exchange: this.#peers?.exchange ?? new ExportExchange(),
      packages: new PackageStore(this.#configuration.agentPackages ?? null),
      logger: this.#logger,
      stopping: this.#stopping.signal,
    });
    addSessionRoutes(application, { authentication, sessions });
    await addConsoleRoutes(application);
    this.#port = await listenOn(application.server, { host, port }, () => application.listen({ host, port }));
    if (listenPlain !== undefined) this.#plain = await listenPlainly(application, listenPlain);
    const server = application.server as unknown as HttpsServer;
    this.#renewing = keepRenewed(
      certificate,
      request,
      ({ certificatePem, privateKeyPem }) => server.setSecureContext({ cert: certificatePem, key: privateKeyPem }),
      this.#logger,
      this.#stopping.signal,
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new LmsError('UNAVAILABLE', 'the gateway is stopping'));
    await this.#plain?.close();
    await this.#application?.close();
    await this.#peers?.stop();
    await this.#renewing;
    this.#clients?.close();
    this.#application = null;
    this.#plain = null;
    this.#peers = null;
    this.#clients = null;
    this.#port = null;
  }

  async #untilRegistryAnswers<Answer>(ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    const backOff = new BackOff(RETRY_LIMITS);
    for (;;) {
      signal.throwIfAborted();
      try {
        return await ask();
      } catch (thrown) {
        const error = toLmsError(thrown);
        if (!error.retryable) throw error;
        this.#logger.warn({ code: error.code }, `waiting for the registry: ${error.message}`);
        await pause(backOff.failed(), signal);
      }
    }
  }
}

function addRoutes(application: Application, context: RouteContext): void {
  addAnyoneRoutes(application, context);
  addAgentPackageRoutes(application, context);
  addAgentRoutes(application, context);
  addReplicationServerRoutes(application, context);
  addStatusRoute(application, context);
  addTokenRoutes(application, context);
  addMachineRoutes(application, context);
  addNetworkRoute(application, context);
  addDiagnosisRoute(application, context);
  addSettingsRoutes(application, context);
  addRemovalRoutes(application, context);
  addPointRoutes(application, context);
  addCheckRoutes(application, context);
  addImageRoutes(application, context);
  addLogRoutes(application, context);
}
