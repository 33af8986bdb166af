/** The contracts between the manager's services, as code. Made from `lms/v1/*.proto` by `make proto`. */
export * from './generated/lms/v1/component.ts';
export * from './generated/lms/v1/events.ts';
export * from './generated/lms/v1/gateway.ts';
export * from './generated/lms/v1/logs.ts';
export * from './generated/lms/v1/machine.ts';
export * from './generated/lms/v1/registry.ts';
export * from './generated/lms/v1/settings.ts';
export * from './generated/lms/v1/staging.ts';
export * from './generated/lms/v1/stats.ts';
export * from './generated/lms/v1/words.ts';
export { wordOf, type Word } from './word.ts';
