/** Who serves which machine, the replication servers themselves, and how far each machine has come. */
export { readStagingControllerConfiguration, type StagingControllerConfiguration } from './config.ts';
export type { HostConfiguration } from './host-driver.ts';
export { createStagingControllerService, type StagingControllerServiceModule } from './service.ts';
export { KubernetesDriver, type KubernetesConfiguration } from './kubernetes/driver.ts';
export { parseKubernetesSettings, type KubernetesSettings } from './kubernetes/settings.ts';
