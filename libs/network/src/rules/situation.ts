/** Where everybody is: what the installation says, what was given, and what names lead to, checked for being usable in a rule. */
import { isIP } from 'node:net';
import { LmsError } from '@lms/errors';
import { FLOWS, type Flow, type Party, type Route } from '../flows.ts';
import type { BlockStreamAddress, Endpoint, InstallationNetwork, ResolverPolicy, RuleRequest } from './model.ts';
import { ANYWHERE, formatNetwork, isEverything, isLoopback, networkOf, type Network } from './network.ts';

/** What a name leads to; empty: nothing. */
export type NameLookup = (host: string) => readonly string[];

export interface Destination {
  readonly port: number;
  readonly networks: readonly Network[];
}

/** What of a flow says where it goes. */
export type FlowEnds = Pick<Flow, 'from' | 'to' | 'traffic'>;

export class Situation {
  readonly #agentRoute: Route;
  readonly #stagingRoute: Route;
  readonly #agentProxy: Endpoint | null;
  readonly #stagingProxy: Endpoint | null;
  readonly #blockStreamProxy: Endpoint | null;
  readonly #installation: InstallationNetwork;
  readonly #request: RuleRequest;
  readonly #lookup: NameLookup;
  readonly #resolver: ResolverPolicy;

  constructor(installation: InstallationNetwork, request: RuleRequest, lookup: NameLookup, resolver: ResolverPolicy) {
    this.#installation = installation;
    this.#request = request;
    this.#lookup = lookup;
    this.#resolver = resolver;
    const { proxyUrl, blockStreamProxyUrl, route } = request;
    this.#agentProxy = proxyUrl === null ? null : endpointOf(proxyUrl);
    this.#blockStreamProxy = blockStreamProxyUrl === null ? null : endpointOf(blockStreamProxyUrl);
    const stagingProxyUrl = installation.stagingProxyUrl ?? proxyUrl;
    this.#stagingProxy = stagingProxyUrl === null ? null : endpointOf(stagingProxyUrl);
    this.#agentRoute = route ?? (proxyUrl === null ? 'direct' : 'proxy');
    this.#stagingRoute = route ?? (stagingProxyUrl === null ? 'direct' : 'proxy');
    for (const [option, networks] of Object.entries(namedNetworks(request))) this.#requireNarrow(option, networks);
  }

  get usesProxy(): boolean {
    return this.#managerByProxy || this.#blockStreamProxy !== null;
  }

  isActive({ from, traffic, routes }: Pick<Flow, 'from' | 'traffic' | 'routes'>): boolean {
    if (traffic === 'data') return routes.includes(this.#blockStreamProxy === null ? 'direct' : 'proxy');
    if (from === 'proxy') return traffic === 'names' ? this.usesProxy : this.#managerByProxy;
    return routes.includes(this.#routeOf(from));
  }

  /** Where whoever connects ends up. */
  destinations(flow: FlowEnds): readonly Destination[] {
    switch (flow.to) {
      case 'manager': {
        const { host, port } = this.#managerEndpoint();
        const given = this.#request.manager;
        return [{ port, networks: given.length > 0 ? given : this.#reachable(host, '--manager', 'the manager') }];
      }
      case 'replication-server':
        return this.blockStream().map(({ host, port }) => {
          return { port, networks: this.#reachable(host, '--block-stream', 'the address for 1500') };
        });
      case 'proxy':
        return this.#proxiesOf(flow).map(({ host, port }) => {
          return { port, networks: this.#reachable(host, '--proxy', 'the proxy') };
        });
      case 'resolver': {
        const networks = this.#resolvers(flow.from);
        return networks.length === 0 ? [] : [{ port: 53, networks }];
      }
      case 'agent':
      case 'operator':
        return [];
    }
  }

  /** Ports that the end is reached on: what its own firewall needs, wherever its name leads to. */
  ports(flow: FlowEnds): readonly number[] {
    if (flow.to === 'manager') return [this.#managerEndpoint().port];
    return [...new Set((flow.to === 'proxy' ? this.#proxiesOf(flow) : this.blockStream()).map(({ port }) => port))];
  }

  /** Where whoever connects comes from. */
  origins(flow: FlowEnds): readonly Network[] {
    const { sources, staging, operators } = this.#request;
    switch (flow.from) {
      case 'agent':
        return this.#needed(sources, '--source', 'which networks source machines come from');
      case 'replication-server':
        // It is on the manager's own host: what it sends comes over no network.
        if (this.#installation.driver === 'host' && staging.length === 0) return [];
        return this.#needed(staging, '--staging', 'which network replication servers are in');
      case 'proxy':
        return this.destinations({ ...flow, to: 'proxy' }).flatMap(({ networks }) => networks);
      case 'operator':
        return operators;
      case 'manager':
      case 'resolver':
        return [];
    }
  }

  get #managerByProxy(): boolean {
    return this.#agentRoute === 'proxy' || this.#stagingRoute === 'proxy';
  }

  #routeOf(client: Party): Route {
    if (client === 'agent') return this.#agentRoute;
    return client === 'replication-server' ? this.#stagingRoute : 'direct';
  }

  /** That this flow goes by; of the proxy itself all that do such traffic. */
  #proxiesOf({ from, traffic }: Pick<Flow, 'from' | 'traffic'>): readonly Endpoint[] {
    if (traffic === 'data') return this.#blockStreamProxy === null ? [] : [this.#blockStreamProxy];
    const ofAgents = this.#agentRoute === 'proxy' ? [this.#requireProxy(this.#agentProxy)] : [];
    const ofStaging = this.#stagingRoute === 'proxy' ? [this.#requireProxy(this.#stagingProxy)] : [];
    if (from === 'agent') return ofAgents;
    if (from === 'replication-server') return ofStaging;
    const all = [...ofAgents, ...ofStaging];
    return all.filter(
      (one, index) => all.findIndex(({ host, port }) => host === one.host && port === one.port) === index,
    );
  }

  blockStream(): readonly BlockStreamAddress[] {
    const { address } = this.#request;
    const wanted = this.#installation.blockStream.filter(({ kind }) => address === null || kind === address);
    if (wanted.length > 0) return wanted;
    const which = address === null ? 'no address for 1500 yet' : `no ${address} address for 1500`;
    throw new LmsError('INVALID_ARGUMENT', `this installation has ${which}`, {
      field: '--block-stream',
      action: 'Give --block-stream HOST:PORT, or set the address in the Replication Settings.',
    });
  }

  /** Names that this party asks for by itself. */
  namesAskedBy(client: Party): readonly string[] {
    const asked = FLOWS.filter((flow) => flow.from === client && flow.traffic !== 'names' && this.isActive(flow));
    const hosts = asked.flatMap((flow): readonly string[] => {
      if (flow.to === 'manager') return [this.#managerEndpoint().host];
      return (flow.to === 'proxy' ? this.#proxiesOf(flow) : this.blockStream()).map(({ host }) => host);
    });
    return [...new Set(hosts)].filter((host) => isIP(host) === 0);
  }

  #managerEndpoint(): Endpoint {
    return endpointOf(this.#installation.managerUrl);
  }

  #resolvers(client: Party): readonly Network[] {
    const names = this.namesAskedBy(client);
    const { resolvers } = this.#request;
    if (names.length === 0) return [];
    if (resolvers.length > 0) return resolvers;
    if (this.#resolver.kind === 'usual') return this.#resolver.networks;
    if (this.#resolver.kind !== 'given') return [];
    return this.#needed([], '--dns', `which DNS server tells where ${names.join(', ')} is`);
  }

  #reachable(host: string, option: string, what: string): readonly Network[] {
    const networks = (isIP(host) === 0 ? this.#lookup(host) : [host]).map(networkOf);
    if (networks.length === 0) {
      throw new LmsError('INVALID_ARGUMENT', `${what} is ${host}, and no address of that name is known here`, {
        field: option,
        action: `Give ${option} with an address.`,
      });
    }
    const inside = networks.find(isLoopback);
    if (inside === undefined) return networks;
    throw new LmsError('INVALID_ARGUMENT', `${what} is ${host} here, which no other machine reaches`, {
      field: option,
      action: `Give ${option} with the address that the others use.`,
    });
  }

  #needed(networks: readonly Network[], option: string, what: string): readonly Network[] {
    if (networks.length > 0) return networks;
    if (this.#request.anywhere) return ANYWHERE;
    throw new LmsError('INVALID_ARGUMENT', `the rules need to know ${what}`, {
      field: option,
      action: `Give ${option}, or --anywhere to leave it open to everybody.`,
    });
  }

  #requireNarrow(option: string, networks: readonly Network[]): void {
    const everything = networks.find(isEverything);
    if (everything === undefined || this.#request.anywhere) return;
    throw new LmsError('INVALID_ARGUMENT', `${formatNetwork(everything)} is everybody`, {
      field: option,
      action: `Name a smaller network by ${option}, or say --anywhere too.`,
    });
  }

  #requireProxy(proxy: Endpoint | null): Endpoint {
    if (proxy !== null) return proxy;
    throw new LmsError('INVALID_ARGUMENT', 'the rules need to know which proxy', {
      field: '--proxy',
      action: 'Give --proxy http://HOST:PORT, or set it in the Replication Settings for the staging area.',
    });
  }
}

function namedNetworks({ sources, staging, manager, operators, resolvers }: RuleRequest) {
  return {
    '--source': sources,
    '--staging': staging,
    '--manager': manager,
    '--operator': operators,
    '--dns': resolvers,
  };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'https:': 443, 'http:': 80 };

/** Where a URL leads to. */
export function endpointOf(url: string): Endpoint {
  const { protocol, hostname, port } = new URL(url);
  return {
    host: hostname.replaceAll(/[[\]]/g, ''),
    port: port === '' ? (DEFAULT_PORTS[protocol] ?? 443) : Number(port),
  };
}

/** Names that have to be looked up before a plan can be made. */
export function namesIn(installation: InstallationNetwork, request: RuleRequest): readonly string[] {
  const urls = [request.proxyUrl, request.blockStreamProxyUrl, installation.stagingProxyUrl].filter(
    (url) => url !== null,
  );
  if (request.manager.length === 0) urls.push(installation.managerUrl);
  const hosts = [...urls.map(endpointOf), ...installation.blockStream].map(({ host }) => host);
  return [...new Set(hosts)].filter((host) => isIP(host) === 0);
}
