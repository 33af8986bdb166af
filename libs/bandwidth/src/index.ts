export * from './bandwidth-limiter.ts';
export * from './schedule.ts';
