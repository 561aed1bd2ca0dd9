// What parlor.js is, as far as TypeScript can tell from the code, is what parlor.d.ts says.

import type { ClientErrorCode, ErrorCode, Options, Parlor, ParlorError } from './parlor.js';
import { Parlor as WrittenParlor, ParlorError as WrittenError } from './written.js';

export const makesParlor: new (options?: Options) => Parlor = WrittenParlor;
export const makesError: new (code: ErrorCode | ClientErrorCode, message: string) => ParlorError = WrittenError;
/** Neither has what the other has not. */
export const nothingMore: Exclude<keyof WrittenParlor, keyof Parlor> extends never ? true : false = true;
export const nothingLess: Exclude<keyof Parlor, keyof WrittenParlor> extends never ? true : false = true;
