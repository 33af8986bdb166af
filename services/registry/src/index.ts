/** Machines, tokens, certificates, settings, operations and the list of points. */
export { readRegistryConfiguration, type RegistryConfiguration } from './config.ts';
export { createRegistryService, type RegistryServiceModule } from './service.ts';
