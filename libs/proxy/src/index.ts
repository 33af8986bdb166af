/** Ways through HTTP proxies (CONNECT): whose settings, which hosts are reached without one, and tunnels with clear errors. */
export { proxyFromEnvironment } from './environment.ts';
export { PROXY_FAILURE_REASONS, ProxyError, type ProxyFailureReason } from './failure.ts';
export { isBypassed, isLoopback, parseNoProxy } from './no-proxy.ts';
export { ProxySettings, formatAuthority, hostOfUrl, parseProxyUrl } from './settings.ts';
export { openTunnel, type TunnelOptions } from './tunnel.ts';
