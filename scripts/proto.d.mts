/** The TypeScript source of the codec for a .proto text. */
export function generateCodec(text: string): string;
