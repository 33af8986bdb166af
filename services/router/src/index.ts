/** Keeps the block stream's router (HAProxy, `haproxy.cfg` beside this) on the routes that staging-controller tells. */
export { readRouterConfiguration, type RouterConfiguration } from './config.ts';
export { createRouterService } from './service.ts';
