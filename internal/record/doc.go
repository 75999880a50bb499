// Package record is the signed conversation: records, the cells that carry them, and the judgement of what is missing,
// altered or told in two versions. It works on opened tokens and knows neither keys that open them nor a feed, a file
// or a clock: everything is a function of bytes, of what is already known, and of the time that the caller states.
//
// [Sign] makes a record and [Cut] lays it into cells. A [Reader] joins cells, verifies records and tells findings; what
// it learns it hands back as a [Change] to whoever implements [Known]. This page is the specification; testdata holds
// vectors (vectors.json), and examples/python/fernpost_record.py is a second reader, written from it.
//
// All numbers are big-endian. ‖ joins bytes, and every hash or signature begins with a domain, which is text ended by a
// zero byte. SHA-256 is meant by "hash".
//
// # Names of things
//
//	room salt    16   hash("fernpost/v1 salt\0" ‖ "channel/" ‖ decimal id of the channel), cut
//	key id       16   hash("fernpost/v1 key id\0" ‖ the Fernet key's 32 bytes), cut
//	author       32   Ed25519 public key (RFC 8032)
//	tag           4   hash(author), cut; it has no domain. It groups, and proves nothing
//	safety       16   hash("fernpost/v1 identity\0" ‖ author), cut: compared aloud as six words
//
// # Tokens
//
// A token is a Fernet token (https://github.com/fernet/spec) in canonical form: URL-safe base64 with its padding,
// decoded at least 73 bytes, of which the first is 0x80, and (length − 57) a multiple of 16. Each field of an entry
// holds one at most; which fields carry tokens, and in which entries, is up to the writer, and a reader looks at all
// eight. Around it a reader takes off ASCII white space, b'…' or b"…", and adds padding that is missing; nothing else.
// Any key of the room may open it. Its clock, in seconds, is the sender's. The plaintext of a text is UTF-8; 127
// bytes that begin with 0xFE are a cell, and anything else is binary. How a passphrase becomes the key is told by
// "fernpost help profiles" and package passphrase.
//
// # Cells
//
// A cell is the plaintext of one token, and has exactly 127 bytes:
//
//	mark          1   0xFE, which occurs nowhere in UTF-8
//	version       1   1. Another one: "needs a newer fernpost"
//	tag           4   of the author
//	number        4   of the record. 0 is a filler cell, and everything behind it is zero
//	part          2   from 0, less than parts
//	parts         2   1 to 39,946
//	link          8   hash("fernpost/v1 link\0" ‖ the 127 bytes of the next part's cell), cut; zeros in the last part
//	slice       105   of: the record's length (3), the record, zeros to the end
//
// parts is ⌈(3 + length) / 105⌉, and nothing but zeros follows the record; what contradicts itself is refused and
// counted. All cells of a record are sealed with one key. A record has at least 144 bytes, so it takes at least two
// cells; the eight fields of one entry carry 8 · 105 − 3 − 144 = 693 bytes of nickname and body.
//
// A reader keeps cells of one key, tag, number and parts together, each once. It starts at every cell of part 0 and
// follows the links to parts 1, 2, …: there is no search, and cells that others have added are not in the way. Two
// different cells of a group have one link only if somebody has made both, in 2^32 tries (for a given cell it takes 2^64):
// any one may be taken, and the other is refused as malformed, since it may belong to another record of that number, which
// is not shown then. Nothing is proven by a link, however: a record is what its signature covers, all slices of it.
//
// # Records
//
//	kind          1   1 text, 2 file, 3 heartbeat, 4 key moved, 5 device, 6 reading, 7 letter; others are shown as unknown
//	clock         6   the author's, in Unix milliseconds: a claim
//	author       32   canonical, and not of small order
//	previous     16   hash of the author's previous record, cut; zeros in number 1, and only there
//	seen         24   tag (4), number (4) and hash cut to 16 of a record by somebody else, verified by this author;
//	                  24 zeros if there is none, and otherwise the number is not 0
//	nickname    1+n   length and UTF-8, at most 24 bytes; see below
//	body          m
//	signature    64   Ed25519, over: "fernpost/v1 record\0" ‖ room salt ‖ key id ‖ number (4) ‖ everything above
//
// A record's hash is the hash of exactly what its signature covers. The tag of the cells must be the author's. A chain
// of cells that is whole, and whose record is too short, of another author or not signed by it, is forged. What names
// an author who can be nobody is malformed instead, whoever signed it: y, the lower 255 bits of a key with the lowest
// byte first, is below p = 2^255 − 19, and not the y of a point of small order: 0, 1, p − 1, or, of order 8, p − y or
// y = 26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05. Anybody signs for the 14 encodings of those.
// The bodies:
//
//	text          UTF-8
//	file          length (1) and name, length (1) and media type, both UTF-8, then the content
//	heartbeat     at most 1,024 further seen (24), none with number 0; what is behind those is not read
//	key moved     key id (16) of a key that is handed over outside the room. It counts if the newest key that the
//	              reader has seals it
//	device        another public key (32), which can be somebody's and is not the author's, and its signature (64) over
//	              "fernpost/v1 device\0" ‖ room salt ‖ author; or 64 zeros
//	reading       a mask (1), bit 0 for field 1; for each bit set, in order, length (1) and value, UTF-8; then, each only if
//	              something follows, length (1) and status, latitude, longitude and elevation: UTF-8, of the last three a sign
//	              or none, and digits with at most one point among them, or empty for none. One that says nothing at all, or ends with an empty text, breaks the form
//	letter        an invitation to somebody's public key (48 to 4096 bytes; of another size: unknown), see below
//
// A signed record that breaks this form is unreadable, and its number counts. If that concerns its head (previous,
// seen, the length of the nickname), nothing in the head behind the author is used.
//
// # Names
//
// A nickname is 1 to 24 bytes of UTF-8 in normalisation form C: letters, marks, decimal digits, "-", "_", "." and single
// spaces between other characters, the first a letter or a digit, at most four marks after each other. Not possible are:
//
//   - modifier letters (category Lm) other than U+3005 and U+30FC, without which many Japanese names cannot be written;
//   - what shows nothing: Other_Default_Ignorable_Code_Point, Variation_Selector, and U+1BAB, 2D7F, AAF6, 10A3F, 1107F,
//     1193E, 11A47, 11A99, 11D45, 11D97, 11F42, 13440–13442, 16FE4, 1BC9D, 1BC9E, 1DA9B–1DA9F, 1DAA1–1DAAF; U+1039, 17D2,
//     1A60 and 11133 elsewhere than between two characters of their block of 128, the second a letter;
//   - spacing marks (category Mc) behind a character that is not of their block of 256: many look like a colon there;
//   - eight hexadecimal digits, once folded: form KC, full case folding, form KC;
//   - of several words, divided by spaces, one without a letter: "ana 7" is number 7 of ana's, "2 more" the end of a list;
//   - what has "'s", ":", "&", "+" or the word "and" in the skeleton (next) of the folded nickname, folded, or in that of
//     the nickname, folded. Other punctuation that letters look like is no harm, and many scripts need such letters.
//
// A nickname that is not possible is treated as none. Two nicknames look alike if they have one of their forms in common
// ([Skeletons]): the skeleton of the folded nickname, folded, and the skeleton of the nickname, folded, both without
// spaces, "-", "_" and "." (unless nothing is left), in form KC. A skeleton is that of Unicode Technical Standard 39, version
// 15.0.0: form D, each character replaced by its prototype, form D.
//
// A reader pins both forms to the key that it sees using them first, for at most eight nicknames a key. Each record is
// shown under the nickname in it, by what is pinned: "ana" if both forms are pinned to its author; "ana (~3f9a12cd)", with
// the tag, if one is pinned to somebody else; "~3f9a12cd" if it has none, or one that was not pinned for want of room.
// These forms no nickname can take. An author is called as in the record with the highest number. So a new nickname
// rewrites no line. Whatever a nickname says, it proves nothing: people compare safety numbers. When a key is compared it
// gets the nickname of its newest record, unless that is pinned to another one that was; others, older or later, it gets as
// everybody does. A key whose nicknames the user lets go of gets none until it is compared; they go to those who use them,
// now and from then on, in the order of their lines.
//
// # Devices
//
// A letter is sealed to its recipient (internal/letter says how), and stands under the Fernet key hash("fernpost/v1 letter"), without
// the zero byte behind that, which everybody knows: as number 1, without a nickname, of an author who writes nothing else. Tokens under that key are named as
// invitations for somebody and are otherwise passed over, whatever they hold: they are no messages, no lines of the digest, nobody's
// numbers and no findings, since everybody who may write can make them. A record of kind 7 under a room's own key is a line like
// any other.
//
// A device record claims that the other key is a device of its author's; with 64 zeros for the signature it withdraws: the
// author's claim about that key, and the author's consent to be claimed by it. Of the records of one author about one key
// the one with the highest number counts, and of two with that number the one that withdraws. A consent that was withdrawn
// by any record is so for good, because the signature that gives it has no number. A claim stands if it is withdrawn by
// neither. It counts if no other standing claim is about the same key, by that key, or about the author: a star, never a
// chain or a circle. It is judged by all records that are held, in whatever order they came, and again with every new one.
// Of more than 64 standing claims of one author, or about one key, those with the lowest keys are looked at.
//
// A claim that counts changes one thing. Records of that key are labelled with the author's name: "py's phone" if they are
// called phone by themselves, "py's device (~3f9a12cd)" if they have no name or one that looks like the author's; and between
// py and py's devices there is no namesake. Whether a key was compared is of that key alone.
//
// # Reading
//
// Of every author's every number a reader keeps the hash, all 32 bytes, the previous hash, and where each cell stands, by
// the lowest copy of it. The place of a record is that of the cell that stands last; a place is the number of clears that
// the reader has seen, and the entry: who has seen another number of them compares digests from a clear on, as a feed read
// afresh has none. An author can sign one record in many ways: they have one hash and chains of their
// own, and the record, which is one line, stands where that chain does which stands lowest, in whatever order they came.
// What stands behind that waits, because copies of its cells may come that stand lower. An author's base is the lowest
// number held. Findings and their words are those of [Finding.Text]. Proven are:
//
//   - missing: a number between two that are held, whatever parts of it came: cells prove nothing.
//   - fork: two verified records of one number; or the hash held of number n is not what number n + 1 names as previous.
//   - reordered: a number stands in a later entry than the next one held of the same author.
//   - forged: see above. In one call at most ten numbers of a tag are told, of at most ten tags, those of nobody known
//     taken for one; of more there is a count.
//   - malformed: a record whose previous is zeros above number 1, or not zeros at number 1; and, told once in a room's life with
//     their count, cells that are refused and chains of them that hold no record.
//   - namesake: a nickname of which a form is pinned to another person's key, unless the user has compared this one.
//     A key that is compared gets its newest nickname at once, if that was pinned only to keys that were not.
//   - renamed: a record has another nickname than the one with the next lower number held, and one of them is shown.
//   - contradiction: a claim about a device that stands and does not count, with the keys of one that contradicts it.
//   - newer: cells of another version, told once in a room's life.
//
// A seen rests on the word of whoever signs it, and is weighed against others only, above their base:
//
//   - It is true if the number is held with that hash. If that record stands in a later entry than the lowest record of
//     its signer that names it, that is told as reordered, on the signer's word: of each signer
//     and tag one line, with the highest such number, at most ten, ranked as accusers are (below); of more there is a count.
//   - Otherwise, if the next lower number held stands in a later entry than the lowest record that names it, the seen is
//     refuted: whoever names a number has seen it, and so what was written before. It accuses nobody, and is told in as many
//     lines as what is reordered on somebody's word.
//   - Otherwise it accuses: of a fork, if the number is held with another hash; of all numbers above the highest held up to
//     that one being missing, if it lies above. Between two that are held it says nothing new. Where two keys have one tag,
//     what matches neither is missing, of that tag.
//
// Of each accuser, accused tag and kind there is one line, whatever numbers they name: the highest missing one, the
// lowest fork. Accusers who name the same number share a line; numbers missing are told as the ranges of which the same
// accusers speak. At most ten accusations are told at a time, those first whose best accuser ranks highest, each with at
// most three names; of more, told or waiting, there is a count. Keys that were compared rank first, then whose base stands
// lowest, then by key. What becomes proven is told anew. When the number that counts of an accuser is higher than the one
// that was told, it is told anew, in place of that. When a number that somebody has named as missing comes as it was named,
// their line is taken back, and told anew for what they say besides.
//
// Missing, and what a seen accuses, are judged on a stretch of the feed ([View]): between two numbers held, from the
// entry of one to that of the other; for a seen, from the entry of the next lower number held to that of the record that
// names it. A stretch is complete when each of its entries is held or was asked for long enough; what stood before a clear
// and is not held is not there. Until then the number is waiting. If an entry in the stretch has been lacking for an hour,
// that is told: hidden. While chains under a number were not tried, it waits as well. What fills is taken back.
//
// Parts of a number above all that are held or named are arriving. They are incomplete if the feed is complete from the
// highest number held on, and no part of that group has come for an hour: of the three lowest such numbers of an author.
// Below the base nothing is told. Of what arrives under the tag of nobody known there is but a count, and what is left of a
// number that is verified or whose chains were refused is told of no more. What is told to be missing is no longer told
// to be incomplete. Each finding has an identity ([Finding.ID]) and is told once.
//
// Of entries tells whoever opens the tokens, each once: wiped, when one that was held comes back without a token that a key
// had opened, until it is shown as it was; cleared; two versions, when one reading is shown two contents of a number; redated,
// when one is shown with another date than before. The last two are not taken back: others may be shown the other one.
//
// A seen is also a receipt: whoever signs one with our tag, a number and the hash that we hold has read up to it, or
// says so.
//
// # Order and digest
//
// Lines are the verified records of every kind, both of a fork, and the opened tokens that are no cells, each once, by
// the MAC. They stand in the order of: clear, entry and field of the last cell, by the lowest copy of each, or of the
// token's lowest copy; author's key; number; hash. An entry that was shown with several contents has the tokens of all of
// them, in the order in which they came: one whose field has a token already stands in the field 8 above, or 8 above that,
// up to 248, and beyond nowhere. So who was shown them in another order has another digest, and all are told of the two
// contents. Nothing is moved, since an order that later records could change
// would let one insider rearrange a history. Instead a line says what its signature proves: behind which later number of
// its author it stands; which record it names, if that stands below ("names ana 3, which stands below"), or if another
// record of that author stands between the two ("after ana 1"). Two people compare the digest of all lines, or of those
// up to an entry:
//
//	hash("fernpost/v1 order\0" ‖ room salt ‖ for each line 0x01 ‖ record's hash, or 0x02 ‖ hash(token's decoded bytes))
//
// Its version is 2. Its first 16 bytes are said as six words: as a number, modulo 7776^6, in base 7776, the highest
// digit first, each digit a word of the EFF's long list in the order of its dice numbers, 0 for 11111 ("abacus") and
// 7775 for 66666 ("zoom"). A safety number is said in the same way. The list is, with SHA-256
// addd35536511597a02fa0a9ff1e5284677b8883b83e986e43f15a3db996b903e,
// https://www.eff.org/files/2016/07/18/eff_large_wordlist.txt.
//
// # Bounds
//
// At most 131,072 pending cells are remembered between two calls; beyond that the group whose newest cell is oldest is
// forgotten, and opened again from what the archive keeps when a cell of it comes. In one call at most 64 chains of one
// tag and number are tried, and 64 MiB of records in all, of which the signatures of 16 MiB are checked at a time: of each
// group in turn, the oldest first. That some are left is kept, and the next call goes on with them. A chain with the hash
// of a record that is held, behind that, is tried once, and again only when a cell of it comes. Of one author at most
// 1,024 seen that are not known to be true are kept, and as many of one heartbeat are read. Memory grows with the cells
// that came, never with what they say about themselves.
package record
