// What can be done to any string, however long and whatever is in it, in time that grows no faster than the string.

/** With a replacement character for each half of a surrogate pair that is alone: sockets and addresses take no others. */
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, '\uFFFD');

/** The beginning, without half a character at its end. */
export const cut = (text, length) => wellFormed(text.slice(0, length));

/** A text without these characters at its end. A pattern such as `/[.,]+$/` takes the square of the length. */
export function withoutEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}
