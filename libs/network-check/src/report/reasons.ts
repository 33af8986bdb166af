/**
 * Everything that a check can find wrong, as a closed list: what it means, what it usually comes from (the likeliest first)
 * and what to do. `docs/network-checks.md` has the same list for people; a test compares the two.
 */
export interface ReasonFacts {
  readonly meaning: string;
  readonly causes: readonly string[];
  readonly action: string;
}

export const CHECK_REASONS = {
  DNS_NOT_FOUND: {
    meaning: 'The DNS says that there is no such name.',
    causes: [
      'The name is misspelt, or its entry was never made.',
      'The entry is in a DNS that this host does not ask, such as a private zone.',
      'The name was given in a short form, and the search list of this host does not complete it.',
    ],
    action: 'Correct the name or make its entry; compare with the same look-up on a host where it works.',
  },
  DNS_NO_ANSWER: {
    meaning: 'No DNS server answered in time.',
    causes: [
      'A firewall drops UDP and TCP 53 between this host and its DNS server.',
      '/etc/resolv.conf names a server that is not there, or none.',
      'The DNS server is down or overloaded.',
    ],
    action: 'Check the servers in /etc/resolv.conf, and that port 53 of them is open from here.',
  },
  NO_ROUTE: {
    meaning: 'This host has no route to the address: nothing leaves it.',
    causes: [
      'The default route is missing, or its interface is down.',
      'The address is private, and this host is outside of that network (VPN, peering).',
      'The address is IPv6, and this host has IPv4 only, or the other way round.',
    ],
    action: 'Look at the routes of this host; where the address is private, choose the public one in the settings.',
  },
  TCP_REFUSED: {
    meaning: 'The address answers, and nothing listens on that port (or a firewall rejects by a reset).',
    causes: [
      'The service does not run, or listens on another port.',
      'The address belongs to another host by now.',
      'A firewall rejects the connection instead of dropping it.',
    ],
    action: 'Check that the service runs there and listens on this port.',
  },
  TCP_TIMEOUT: {
    meaning: 'Nothing came back: packets are dropped on the way there, or on the way back.',
    causes: [
      'A firewall or security group between the two drops this port.',
      'The host of that address is down.',
      'The way back is missing: the other end has no route to the address of this host.',
    ],
    action: 'Open the port for the address of this host, in both directions: `lms network rules` prints the rules.',
  },
  TCP_RESET: {
    meaning: 'The connection was taken and then cut by a reset.',
    causes: [
      'A firewall or an intrusion prevention system looks into connections and cuts this one.',
      'A load balancer has no healthy backend for this port.',
      'The service is overloaded or restarting.',
    ],
    action: 'Look into the logs of the firewall for this address and port; then into those of the load balancer.',
  },
  TCP_UNREACHABLE: {
    meaning: 'A router or this host itself says that the address or port cannot be reached.',
    causes: [
      'The host of that address is down, or not in the network that it should be in.',
      'A firewall rejects by an ICMP message.',
      'A router on the way has no route.',
    ],
    action: 'Check that the other host is up, and the routes and firewalls between the two.',
  },
  PROXY_UNREACHABLE: {
    meaning: 'The proxy itself cannot be connected to.',
    causes: [
      'Name or port of the proxy is wrong.',
      'The proxy does not run.',
      'A firewall between this host and the proxy drops or rejects its port.',
    ],
    action: 'Check the address of the proxy, and that its port is open from here.',
  },
  PROXY_TIMEOUT: {
    meaning: 'The proxy took the connection and did not answer in time.',
    causes: [
      'The proxy cannot reach the other end, and waits for it.',
      'Something other than a proxy listens there.',
      'The proxy is overloaded.',
    ],
    action: 'Check from the host of the proxy that it reaches the other end.',
  },
  PROXY_NOT_A_PROXY: {
    meaning: 'What answers on that address does not speak as an HTTP proxy.',
    causes: [
      'The port is that of a web server or of a SOCKS proxy.',
      'The proxy speaks TLS and was given as http://, or the other way round.',
    ],
    action: 'Check port and scheme (http:// or https://) of the proxy.',
  },
  PROXY_TLS_UNTRUSTED: {
    meaning: 'The certificate of the https:// proxy itself is not trusted.',
    causes: [
      'The certificate was issued by a private authority, and --proxy-ca was not given.',
      'The proxy was named by another name than the one in its certificate.',
      'The certificate has expired.',
    ],
    action: 'Give the CA of the proxy with --proxy-ca, and name the proxy as its certificate does.',
  },
  PROXY_AUTHENTICATION_REQUIRED: {
    meaning: 'The proxy wants a user and password, or does not accept those that it got (407).',
    causes: [
      'No user was given.',
      'User or password is wrong, or has expired.',
      'The proxy locks the user after too many attempts.',
    ],
    action: 'Give --proxy-user and --proxy-password-file; check both with the administrators of the proxy.',
  },
  PROXY_SCHEME_UNSUPPORTED: {
    meaning: 'The proxy wants a way of signing in that is not supported: only Basic is.',
    causes: ['The proxy offers only NTLM, Negotiate (Kerberos) or Digest.'],
    action: 'Allow Basic for this host at the proxy, or exempt this host from signing in.',
  },
  PROXY_FORBIDDEN: {
    meaning: 'The proxy does not allow this host or port (403 or a like answer).',
    causes: [
      'The name of the other end is not on the list of the proxy.',
      'The proxy allows CONNECT to port 443 only, and another port was wanted.',
      'The user may not use the proxy.',
    ],
    action: 'Have host and port allowed at the proxy.',
  },
  PROXY_TARGET_UNREACHABLE: {
    meaning: 'The proxy itself does not get to the other end.',
    causes: [
      'A firewall between the proxy and the other end drops the port.',
      'The proxy does not find the name: it asks another DNS than this host.',
      'The other end does not run.',
    ],
    action: 'Check from the host of the proxy: name, route and port of the other end.',
  },
  PROXY_TUNNEL_BROKEN: {
    meaning: 'The proxy opened the tunnel, and then cut it.',
    causes: [
      'The proxy looks into the tunnel and does not like what it sees, such as TLS without a known name.',
      'The other end closed the connection.',
    ],
    action: 'Exempt the other end from inspection at the proxy.',
  },
  PROXY_TLS_INSPECTED: {
    meaning: 'The proxy re-signs TLS with a certificate authority that is not trusted here.',
    causes: ['The proxy inspects TLS, and its CA was not given with --proxy-ca.'],
    action: 'Give the CA of the proxy with --proxy-ca, or exempt the manager from inspection.',
  },
  TLS_UNTRUSTED: {
    meaning: 'The certificate of the other end is of no authority that is trusted here.',
    causes: [
      'The address leads to another installation, or to another service altogether.',
      'The installation was set up anew and has a new CA.',
      'The ingress or load balancer has a certificate of a private authority, or its placeholder.',
    ],
    action: 'Compare issuer and address with what they should be; enrol again where the installation is a new one.',
  },
  TLS_INSPECTED: {
    meaning: 'Something on the way re-signs TLS: behind it is the right end, with another certificate than its own.',
    causes: [
      'A firewall or proxy inspects TLS; the issuer that is shown names it.',
      'The ingress has a certificate of an authority that this host does not trust.',
    ],
    action: 'Exempt the address from TLS inspection. On 443 its CA can be trusted instead (--proxy-ca), on 1500 never.',
  },
  TLS_NAME_MISMATCH: {
    meaning: 'The certificate is trusted, and is for another name than the one that was asked for.',
    causes: [
      'The address was given by another name (or by its IP address) than the certificate has.',
      'DNS or a load balancer leads to another service of the same authority, such as the replication server of another machine.',
    ],
    action: 'Use a name that is in the certificate, or add this one: `lms manager --name`, the host of the ingress.',
  },
  TLS_NOT_YET_VALID: {
    meaning: 'The certificate of the other end is in force only from a later time on.',
    causes: ['The clock of the host that issued the certificate is fast.', 'The clock of this host is slow.'],
    action: 'Set both clocks by NTP; then have the certificate issued again.',
  },
  TLS_EXPIRED: {
    meaning: 'The certificate of the other end has expired.',
    causes: ['Its renewal has failed for some time: see the logs of the other end.', 'The clock of this host is fast.'],
    action: 'Renew the certificate of the other end (ingress, load balancer, replication server).',
  },
  TLS_VERSION: {
    meaning: 'The two ends have no version or cipher of TLS in common.',
    causes: [
      'Something on the way ends TLS and offers old versions only; 1500 needs TLS 1.3, 443 at least TLS 1.2.',
      'The address belongs to another, older service.',
    ],
    action: 'Exempt the address from TLS inspection, or bring what ends TLS there up to date.',
  },
  TLS_CLOSED: {
    meaning: 'The connection was closed or reset during the TLS handshake.',
    causes: [
      'A firewall looks at TLS (its version, its name) and cuts the connection.',
      'The router of the block stream does not know this machine: it has no replication server yet, or was removed.',
      'A load balancer has no backend.',
    ],
    action:
      'See whether the machine has a replication server (`lms machine initiation`); then ask who runs the firewall.',
  },
  TLS_TIMEOUT: {
    meaning: 'TCP connects, and the TLS handshake is not answered.',
    causes: [
      'What listens there is not TLS, or hangs.',
      'A firewall lets the connection begin and drops what comes then.',
    ],
    action: 'Check that the right service listens there; then ask who runs the firewall.',
  },
  TLS_NOT_SPOKEN: {
    meaning: 'What listens there answers with something other than TLS.',
    causes: ['The port is that of another service, such as plain HTTP or SSH.'],
    action: 'Correct the port.',
  },
  HTTP_NOT_A_MANAGER: {
    meaning: 'A web server answers, and it is no manager.',
    causes: [
      'The address is wrong.',
      'A proxy or captive portal answers with a page of its own.',
      'The ingress sends this name to another service.',
    ],
    action: 'Open the address and /v1/ca in a browser: what answers there says what it is.',
  },
  HTTP_OTHER_MANAGER: {
    meaning: 'A manager answers, with another CA than the expected one.',
    causes: [
      'The address leads to another installation.',
      'The installation was set up anew; its CA is a new one.',
      '--ca-sha256 was copied wrongly.',
    ],
    action: 'Compare with the caSha256 of `lms token create`; enrol again where the installation is a new one.',
  },
  HTTP_STATUS: {
    meaning: 'The manager, or what stands before it, answers with an error.',
    causes: [
      'The gateway does not run or is not ready behind its ingress (502, 503, 504).',
      'Too many requests came from this address (429).',
    ],
    action: 'Look at `lms status`, and at the logs of ingress and gateway.',
  },
  HTTP_NO_ANSWER: {
    meaning: 'TLS works, and the request is not answered.',
    causes: [
      'The gateway hangs, or the ingress waits for it.',
      'The connection was cut: a time limit of a proxy or load balancer, or a restart.',
    ],
    action: 'Look at `lms status`, and at the logs of ingress and gateway.',
  },
  NOT_A_BLOCK_STREAM: {
    meaning: 'TLS answers, and it is no replication server: it does not speak lms-block.',
    causes: [
      'Port or address belongs to another service, such as the manager on 443.',
      'Something on the way ends TLS and drops the ALPN protocol.',
    ],
    action: 'Correct address and port; exempt 1500 from TLS inspection.',
  },
  BLOCK_STREAM_NO_ANSWER: {
    meaning: 'A replication server took the connection, and does not answer.',
    causes: [
      'The replication server hangs or is overloaded.',
      'The connection was cut: a restart of the replication server.',
    ],
    action: 'Look at the logs of the replication server, and check again.',
  },
  BLOCK_STREAM_REFUSED: {
    meaning: 'The replication server answers that it cannot serve now.',
    causes: ['It is stopping or starting.', 'Too many checks are under way.', 'The staging area is full.'],
    action: 'Do what its message says, and check again.',
  },
  CERTIFICATE_EXPIRED: {
    meaning: 'The own certificate of this agent or replication server has expired, or is not in force yet.',
    causes: [
      'The agent was off, or the manager away, for longer than half of the life of a certificate.',
      'The clock of this host is wrong.',
    ],
    action: 'Set the clock right; if it is right, enrol again.',
  },
  CERTIFICATE_NOT_ACCEPTED: {
    meaning: 'The other end does not accept the own certificate.',
    causes: [
      'It was enrolled with another installation.',
      'The state folder was restored from an old copy.',
      'The clocks of the two ends differ by more than five minutes.',
    ],
    action: 'Do what the message of the other end says; if nothing else helps, enrol again.',
  },
  NOT_ASSIGNED: {
    meaning: 'The replication server is not in charge of this machine (any more, or yet).',
    causes: [
      'The machine was given to another replication server, and the agent has not heard of it.',
      'The address leads to the replication server of another machine.',
      'The replication server was started anew and has no assignments yet.',
    ],
    action: 'Check 443: the next heartbeat brings the address; see `lms machine initiation`.',
  },
  MACHINE_REMOVED: {
    meaning: 'An operator has removed this machine from the manager.',
    causes: ['`lms machine remove` was called for it.'],
    action: 'Run `lms-agent uninstall`; enrol again if the machine is to be replicated.',
  },
  FENCED: {
    meaning: 'Another agent with the identity of this machine holds the session.',
    causes: [
      'The machine was cloned or restored with its state folder, and both agents run.',
      'A second agent runs on a copy of the state folder.',
      'The own session broke a moment ago, and the replication server has not noticed yet: check again in half a minute.',
    ],
    action: 'Find the other agent, stop it and uninstall it there; then enrol that machine by itself.',
  },
  CLOCK_SKEW: {
    meaning: 'The clocks of the two ends differ by more than is let pass.',
    causes: [
      'The clock of this host is wrong: no NTP, a dead battery, a virtual machine that was suspended.',
      'The clock of the other end is wrong.',
    ],
    action: 'Set the clock of the wrong host by NTP.',
  },
  PATH_MTU: {
    meaning: 'Small packets pass and large ones vanish: the path has a smaller MTU, and nobody says so.',
    causes: [
      'A tunnel (VPN, VXLAN, PPPoE) on the way has a smaller MTU, and a firewall drops the ICMP messages that say so.',
      'MTU of this host and of its network differ (jumbo frames).',
    ],
    action:
      'Let ICMP "fragmentation needed" and "packet too big" pass, clamp the MSS on the router, or lower the MTU of the interface.',
  },
  THROUGHPUT_LOW: {
    meaning: 'It works, and very little passes in a time.',
    causes: [
      'The line is narrow, or full.',
      'Packets are lost on the way.',
      'A bandwidth limit is set for the machine, the replication server or the network.',
    ],
    action: 'Compare with `lms-agent bandwidth`, which says what is needed.',
  },
  CHECK_FAILED: {
    meaning: 'The check itself could not be carried out.',
    causes: ['Something that nobody thought of: the message says what.'],
    action: 'Report it, with the output of `-o json`.',
  },
} as const satisfies Readonly<Record<string, ReasonFacts>>;

export type CheckReason = keyof typeof CHECK_REASONS;

export function isCheckReason(text: string): text is CheckReason {
  return Object.hasOwn(CHECK_REASONS, text);
}
