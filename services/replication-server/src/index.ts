export * from './core/ports.ts';
export * from './core/machine-replicas.ts';
export * from './core/machine-replica.ts';
export * from './core/session.ts';
export * from './store/staging-store.ts';
export * from './store/store-file-system.ts';
