/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), 32 bits, of a text of ASCII characters. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
