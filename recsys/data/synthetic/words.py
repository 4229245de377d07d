"""The words of the made world: genres, occupations, and what titles and descriptions are put together from."""

from __future__ import annotations

# A genre: its name; how common it is; people; things; places; moods of its stories.
_GENRES = """
Drama 30 | daughter widow painter judge nurse grandfather tenant violinist
    | inheritance promise letter portrait verdict orchard silence farewell
    | farmhouse courtroom hospital vineyard suburb | quiet bitter tender moving
Comedy 21 | waiter landlord bridegroom salesman cousin dentist twin neighbour
    | wedding lottery misunderstanding casserole holiday promotion parrot bet
    | hotel office campsite bakery cruise | cheerful absurd breezy silly
Thriller 12 | analyst hostage courier bodyguard surgeon informant widower pilot
    | blackmail passport alibi wiretap ransom cipher vault countdown
    | embassy skyscraper tunnel ferry laboratory | tense cold relentless nervous
Romance 10 | florist baker architect stranger dancer librarian sailor pianist
    | summer postcard kiss engagement garden waltz secret reunion
    | café lighthouse bookshop harbour terrace | warm wistful dreamy gentle
Action 9 | commando driver boxer smuggler captain sniper stuntman sergeant
    | convoy helicopter explosion mission heist detonator bridge rescue
    | refinery jungle motorway island warehouse | furious loud breathless explosive
Adventure 7 | explorer cartographer orphan guide treasure-hunter sailor mountaineer prince
    | map expedition compass temple shipwreck river volcano relic
    | desert glacier canyon archipelago jungle | daring sweeping bright restless
Crime 6 | detective gangster forger accountant burglar prosecutor bookmaker convict
    | robbery ledger diamond confession witness debt casino betrayal
    | prison pawnshop precinct docks nightclub | gritty hard smoky bleak
Family 6 | schoolgirl puppy grandmother brothers babysitter inventor scout pony
    | treehouse birthday snowfall kite circus sandwich contest homework
    | farm playground attic village zoo | sunny funny kind gentle
Fantasy 4 | sorceress knight dragon apprentice giant witch king goblin
    | sword prophecy curse crown amulet spell throne portal
    | castle forest kingdom swamp tower | enchanted strange vast ancient
Horror 5 | caretaker medium stranger gravedigger doll sleepwalker priest hitchhiker
    | haunting seance nightmare scream ritual cellar mirror disappearance
    | mansion cemetery cabin asylum chapel | eerie bloody grim creeping
Mystery 4 | inspector heiress archivist clockmaker butler professor gardener governess
    | murder riddle diary fingerprint telegram will manuscript poison
    | library manor train museum theatre | puzzling foggy clever slow
War 4 | soldier medic deserter general nurse spy pilot prisoner
    | retreat siege armistice medal telegram offensive trench parade
    | front bunker airfield camp harbour | harrowing stern solemn muddy
Western 2 | sheriff outlaw rancher gunslinger preacher drifter marshal settler
    | duel cattle railway gold saloon revenge bounty stampede
    | prairie canyon frontier ranch gulch | dusty laconic lonesome wide
Musical 3 | singer choirboy dancer conductor drummer starlet understudy songwriter
    | melody audition tour chorus encore rehearsal premiere anthem
    | theatre ballroom conservatory music-hall rooftop | lively glittering tuneful romantic
Documentary 3 | fisherman activist scientist farmer miner champion migrant astronomer
    | harvest glacier strike election migration recipe championship archive
    | reef factory border stadium observatory | patient sober curious candid
Animation 3 | robot fox mouse toymaker penguin snowman wizard bear
    | balloon acorn melody rocket lantern friendship storm journey
    | workshop burrow ocean moon meadow | colourful playful bouncy hand-drawn
History 2 | queen cardinal merchant rebel astronomer admiral scribe empress
    | coronation treaty plague cathedral revolt exile fleet manuscript
    | palace monastery port fortress parliament | stately lavish grave grand
Science-Fiction 6 | android astronaut engineer clone colonist biologist captain hacker
    | signal reactor experiment starship virus wormhole colony memory
    | station asteroid city laboratory planet | futuristic bleak cerebral gleaming
"""


def _lines(text: str) -> list[str]:
    return text.strip().replace("\n    ", " ").splitlines()


def _genre(line: str) -> tuple[str, int, tuple[tuple[str, ...], ...]]:
    head, *pools = line.split("|")
    name, weight = head.split()
    return name.replace("-", " "), int(weight), tuple(tuple(pool.split()) for pool in pools)


_READ = [_genre(line) for line in _lines(_GENRES)]
GENRES = tuple(name for name, _, _ in _READ)
GENRE_WEIGHTS = tuple(weight for _, weight, _ in _READ)
PEOPLE, THINGS, PLACES, MOODS = (tuple(pools[kind] for _, _, pools in _READ) for kind in range(4))

# Words of every genre.
_COMMON = """
Silent Hollow Second Golden Broken Distant Crimson Paper Frozen Hidden Lost Burning Wooden Seventh Borrowed Quiet
    Northern Restless Velvet Last Little Unseen Patient Scarlet Wandering Glass Midnight Iron Early Forgotten
chase inherit guard steal discover trade hide mend follow lose share defend fear
and with against beside without after
Bel Cor Dun Est Far Gal Hal Ill Jor Kel Lor Mar Nor Or Pel Quin Ros Sel Tor Ul Val Wes Yar Zan
a e i o an en in on ar er ir or al el
bay brook dale field ford gate ham holm mere mont more port quay ridge stead ton vale wick
"""
ADJECTIVES, VERBS, LINKS, *SYLLABLES = (tuple(line.split()) for line in _lines(_COMMON))

# An occupation: how common it is, and the age at which it is most common, with its spread in years.
OCCUPATIONS = {
    "student": (40, 20, 5),
    "teacher": (11, 42, 11),
    "administrator": (8, 39, 10),
    "engineer": (7, 37, 10),
    "programmer": (7, 33, 8),
    "librarian": (6, 41, 11),
    "writer": (5, 36, 11),
    "executive": (4, 40, 9),
    "scientist": (3, 36, 8),
    "artist": (3, 31, 9),
    "technician": (3, 33, 10),
    "marketer": (3, 37, 9),
    "entertainer": (2, 29, 8),
    "nurse": (2, 40, 10),
    "lawyer": (2, 37, 9),
    "salesperson": (2, 35, 12),
    "homemaker": (1, 34, 12),
    "doctor": (1, 44, 9),
    "retired": (12, 68, 6),
    "other": (11, 34, 12),
}
