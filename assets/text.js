// Every string that people read, in English and Chinese, and the dates and numbers in the reader's own form.

const english = {
  lang: 'en',
  room: 'Room',
  enterRoom: 'Enter this room',
  copyLink: 'Copy link',
  copy: 'Copy',
  copied: 'Copied',
  copyFailed: 'Select the address and copy it by hand',
  messageTo: (room) => `Message to ${room}`,
  send: 'Send',
  conversation: (room) => `Conversation in ${room}`,
  keys: 'Enter sends, Shift + Enter starts a new line',
  emptyHint: 'Write something first, then send it',
  tooLongHint: (bytes) => `Too long: this server refused a message of ${size(bytes)}. Shorten it, or send it in parts`,

  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Reconnecting',
  notConnected: 'Not connected',
  tryNow: 'Try now',
  retryIn: (seconds) => seconds > 0 ? `Trying again in ${seconds} s` : 'Trying again now',
  unreachable: 'The server cannot be reached.',
  connectionLost: 'The connection was lost.',
  restarting: 'The server is shutting down or restarting.',
  tooSlow: 'The server ended the connection: this page read too slowly to keep up with the room.',
  policy: (reason) => `The server ended the connection because of a limit${reason ? `: ${reason}` : ''}.`,
  tooLong: 'The server ended the connection: a message was too long.',
  busy: 'The server is full or busy just now.',
  closed: (code, reason) => `The server ended the connection (${reason ? `${code}, ${reason}` : code}).`,
  missed: (seconds) => `Connected again after ${duration(seconds)}. What was said in between is not shown.`,

  quiet: 'It is quiet in here',
  welcome: (room) => `Everyone who opens this address is in the room “${room}”. `
    + 'Messages are not kept: you see what is said while you are here.',
  shareAddress: 'Share this address',
  fromTerminal: 'Or join from a terminal',
  badRoom: 'That is not a room name',
  roomNames: 'A room name has 1 to 64 characters: letters and digits of any script, and - _ . : but no spaces.',
  chooseRoom: 'Choose another one at the top of the page.',

  you: 'You: ',
  emptyMessage: 'empty message',
  binary: (bytes) => `binary message, ${count(bytes, 'byte', 'bytes')}`,
  download: 'Download',
  showAll: (bytes) => `Show all (${size(bytes)})`,
  trimmed: 'Earlier messages are no longer shown',
  newMessages: (n) => count(n, 'new message', 'new messages'),
  toLatest: 'To the latest',

  outbox: 'Messages not delivered yet',
  sending: 'Sending',
  queued: 'Will be sent when connected',
  unconfirmed: 'Delivery not confirmed: the connection was lost',
  refused: (bytes) => `Not delivered: too long for this server (${size(bytes)})`,
  sendAgain: 'Send again',
  edit: 'Edit',
  discard: 'Discard',
};

const chinese = {
  lang: 'zh-Hans',
  room: '房间',
  enterRoom: '进入此房间',
  copyLink: '复制链接',
  copy: '复制',
  copied: '已复制',
  copyFailed: '请选中地址后手动复制',
  messageTo: (room) => `发送到 ${room}`,
  send: '发送',
  conversation: (room) => `${room} 中的对话`,
  keys: '按 Enter 发送，Shift + Enter 换行',
  emptyHint: '请先写点什么，再发送',
  tooLongHint: (bytes) => `消息过长：服务器曾拒绝 ${size(bytes)} 的消息。请缩短或分次发送`,

  connecting: '正在连接',
  open: '已连接',
  waiting: '正在重新连接',
  notConnected: '未连接',
  tryNow: '立即重试',
  retryIn: (seconds) => seconds > 0 ? `${seconds} 秒后重试` : '正在重试',
  unreachable: '无法连接到服务器。',
  connectionLost: '连接已断开。',
  restarting: '服务器正在关闭或重启。',
  tooSlow: '服务器断开了连接：此页面接收太慢，跟不上房间里的消息。',
  policy: (reason) => `服务器因限制断开了连接${reason ? `：${reason}` : ''}。`,
  tooLong: '服务器断开了连接：有一条消息过长。',
  busy: '服务器已满或正忙。',
  closed: (code, reason) => `服务器断开了连接（${reason ? `${code}，${reason}` : code}）。`,
  missed: (seconds) => `中断 ${duration(seconds)}后已重新连接，期间的消息不会显示。`,

  quiet: '这里还很安静',
  welcome: (room) => `打开此地址的人都在房间“${room}”里。消息不会保存：你只能看到在场时的发言。`,
  shareAddress: '分享此地址',
  fromTerminal: '或在终端中加入',
  badRoom: '房间名无效',
  roomNames: '房间名有 1 到 64 个字符：任何文字的字母和数字，以及 - _ . :，不能有空格。',
  chooseRoom: '请在页面顶部换一个名字。',

  you: '你：',
  emptyMessage: '空消息',
  binary: (bytes) => `二进制消息，${number(bytes)} 字节`,
  download: '下载',
  showAll: (bytes) => `显示全部（${size(bytes)}）`,
  trimmed: '更早的消息已不再显示',
  newMessages: (n) => `${number(n)} 条新消息`,
  toLatest: '回到最新',

  outbox: '尚未送达的消息',
  sending: '正在发送',
  queued: '连接后发送',
  unconfirmed: '未确认送达：连接已断开',
  refused: (bytes) => `未送达：超过服务器允许的长度（${size(bytes)}）`,
  sendAgain: '重新发送',
  edit: '编辑',
  discard: '丢弃',
};

const isChinese = (tag) => /^zh\b/i.test(tag);
const preferred = navigator.languages.find((tag) => isChinese(tag) || /^en\b/i.test(tag)) ?? 'en';

/** The strings in the reader's language. */
export const text = isChinese(preferred) ? chinese : english;

const clock = new Intl.DateTimeFormat(preferred, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(preferred, { weekday: 'long', day: 'numeric', month: 'long' });
const full = new Intl.DateTimeFormat(preferred, { dateStyle: 'full', timeStyle: 'medium' });

/** The time of day, to the minute. */
export const formatTime = (date) => clock.format(date);
/** The day, for the line between two days. */
export const formatDay = (date) => day.format(date);
/** Date and time in full, for who wants to know exactly. */
export const formatFull = (date) => full.format(date);

/** Writes the strings into an element and below: `data-text` as content, `data-label` as accessible name and tip. */
export function localize(root) {
  for (const element of root.querySelectorAll('[data-text]')) {
    element.textContent = text[element.dataset.text];
  }
  for (const element of root.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', text[element.dataset.label]);
    element.title = text[element.dataset.label];
  }
}

function number(value, options) {
  return new Intl.NumberFormat(preferred, options).format(value);
}

function count(n, one, many) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

function unit(value, name, unitDisplay) {
  return number(value, { style: 'unit', unit: name, unitDisplay, maximumFractionDigits: value < 10 ? 1 : 0 });
}

function size(bytes) {
  if (bytes < 1000) return unit(bytes, 'byte', 'long');
  return bytes < 1e6 ? unit(bytes / 1e3, 'kilobyte', 'short') : unit(bytes / 1e6, 'megabyte', 'short');
}

function duration(seconds) {
  if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), 'second', 'long');
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? unit(minutes, 'minute', 'long') : unit(Math.round(minutes / 60), 'hour', 'long');
}
