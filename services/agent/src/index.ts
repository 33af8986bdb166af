/** The agent's core, for the simulation; the agent itself is a program (`main.ts`). */
export * from './core/index.ts';
