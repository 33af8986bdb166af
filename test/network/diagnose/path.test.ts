// Faults of the way to 1500.

import * as faults from './faults.ts';
import { testEach, useWorld } from './one-fault.ts';

const world = useWorld();

testEach(world, [
  faults.PORT_CLOSED,
  faults.PACKETS_DROPPED,
  faults.CONNECTION_RESET,
  faults.PATH_MTU,
  faults.CERTIFICATE_UNTRUSTED,
  faults.HANDSHAKE_STALLED,
  faults.NOT_A_REPLICATION_SERVER,
  faults.BANDWIDTH_TOO_LOW,
]);
