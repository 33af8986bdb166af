export * from './duration.ts';
export * from './exit-code.ts';
export * from './option-parsers.ts';
export * from './output.ts';
export * from './progress.ts';
export * from './run-program.ts';
export * from './secret-input.ts';
export * from './table.ts';
