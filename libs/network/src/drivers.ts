/**
 * Where replication servers run. What a cloud's own staging needs (to make disks of that cloud, to attach them) a driver that
 * makes none does not need, and a rule for it would only be a hole.
 */
export const DRIVERS = ['host', 'kubernetes'] as const;
export type Driver = (typeof DRIVERS)[number];
