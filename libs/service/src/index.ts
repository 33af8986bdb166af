export { BackOff, pause, type BackOffLimits } from './back-off.ts';
export { readConfiguration, readConfiguredFile, type Environment } from './configuration.ts';
export { keepPort } from './previous-port.ts';
export { runMain, type MainOptions } from './run-main.ts';
export { ServiceGroup } from './service-group.ts';
export { combineHealth, HEALTHY, unhealthy, type Health, type Service } from './service.ts';
export {
  SupervisedProcess,
  type ChildFailure,
  type ProcessCommand,
  type ProcessState,
  type SupervisedProcessOptions,
} from './supervised-process.ts';
