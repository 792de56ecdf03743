import { BlockList, isIP } from 'node:net';

/** Why an address may not be dialled, whoever names it: a label for metrics. */
export type Forbidden = 'link-local' | 'unspecified' | 'multicast' | 'reserved' | 'malformed';

type Net = readonly [address: string, bits: number, family: 'ipv4' | 'ipv6'];

const nets: Readonly<Record<Exclude<Forbidden, 'malformed'>, readonly Net[]>> = {
  // 169.254.169.254 answers with the machine's credentials on every large cloud.
  'link-local': [
    ['169.254.0.0', 16, 'ipv4'],
    ['fe80::', 10, 'ipv6'],
    // The same service of AWS over IPv6, outside the link-local range.
    ['fd00:ec2::254', 128, 'ipv6'],
  ],
  unspecified: [
    ['0.0.0.0', 8, 'ipv4'],
    ['::', 128, 'ipv6'],
  ],
  multicast: [
    ['224.0.0.0', 4, 'ipv4'],
    ['ff00::', 8, 'ipv6'],
  ],
  reserved: [['240.0.0.0', 4, 'ipv4']],
};

const lists: readonly (readonly [Forbidden, BlockList])[] = Object.entries(nets).map(([why, members]) => {
  const list = new BlockList();
  for (const [address, bits, family] of members) list.addSubnet(address, bits, family);
  return [why as Forbidden, list];
});

/** The same rules as ranges of numbers: a look into a BlockList makes an object, and lists have thousands of addresses. */
const ranges: readonly (readonly [Forbidden, from: number, to: number])[] = Object.entries(nets).flatMap(
  ([why, members]) =>
    members
      .filter(([, , family]) => family === 'ipv4')
      .map(([address, bits]): [Forbidden, number, number] => {
        const from = numberOf(address);
        return [why as Forbidden, from, from + 2 ** (32 - bits)];
      }),
);

/** An IPv4 address as a number. */
function numberOf(address: string): number {
  let sum = 0;
  let octet = 0;
  for (let at = 0; at < address.length; at++) {
    const char = address.charCodeAt(at);
    if (char === 0x2e) {
      sum = sum * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + char - 0x30;
  }
  return sum * 256 + octet;
}

const hostname = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$/;
/** `0xA9FEA9FE`, `2852039166` and `169.254.43518` are IPv4 addresses to every resolver. */
const endsInNumber = /(^|\.)(0[xX][0-9A-Fa-f]*|[0-9]+)\.?$/;

/**
 * Why `host`, an address or a hostname, may not be dialled; null when it may. What a hostname resolves to must be
 * asked again, of the address. Addresses of this machine may be dialled: sidecars share hosts.
 */
export const forbidden = (host: string): Forbidden | null => {
  const family = isIP(host);
  if (family === 0)
    return host.length <= 253 && hostname.test(host) && !endsInNumber.test(host) ? null : 'malformed';
  if (family === 4) {
    const number = numberOf(host);
    for (const [why, from, to] of ranges) if (number >= from && number < to) return why;
    return null;
  }
  if (host.includes('%')) return 'link-local';
  // A BlockList sees through IPv4 addresses in IPv6 clothes, `::ffff:169.254.169.254`.
  for (const [why, list] of lists) if (list.check(host, 'ipv6')) return why;
  return null;
};
