"""Words of the synthetic catalogue: pools per product type and per group of confusable types.

Every brand and platform is invented; the authors are classics. Braces are slots that
``sample.py`` fills.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Pool:
    """What the listings of one product type, or of one group of types, are made of."""

    heads: tuple[str, ...]
    details: tuple[str, ...]
    sentences: tuple[str, ...]
    english: tuple[str, ...]
    german: tuple[str, ...]


def _split(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split("|"))


def _pool(heads: str, details: str, sentences: str, english: str, german: str) -> Pool:
    return Pool(*(_split(words) for words in (heads, details, sentences, english, german)))


SHARES: Final[dict[int, int]] = {
    10: 3116, 40: 2508, 50: 1681, 60: 832, 1140: 2671, 1160: 3953, 1180: 764, 1280: 4870,
    1281: 2070, 1300: 5045, 1301: 807, 1302: 2491, 1320: 3241, 1560: 5073, 1920: 4303,
    1940: 803, 2060: 4993, 2220: 824, 2280: 4760, 2403: 4774, 2462: 1421, 2522: 4989,
    2582: 2589, 2583: 10209, 2585: 2496, 2705: 2761, 2905: 872,
}  # fmt: skip
"""Training products per type in the published challenge data: the balance to imitate."""

GROUPS: Final[dict[str, tuple[int, ...]]] = {
    "books": (10, 2280, 2403, 2705),
    "games": (40, 50, 60, 2462, 2905),
    "toys": (1140, 1160, 1180, 1280, 1281, 1300),
    "baby": (1301, 1320),
    "garden": (1302, 2582, 2583, 2585),
    "home": (1560, 1920, 2060),
    "daily": (1940, 2220, 2522),
}
"""Types whose listings share words, so that a title alone may fit several of them."""

GROUP_WORDS: Final[dict[str, Pool]] = {
    "books": _pool(
        "{title} | {title} - {author} | {author} - {title} | {author} : {title} | "
        "{title}, par {author} | Les {thing}s de {place} - {author}",
        "tome {n} | volume {n} | {author} | {year} | n° {n} | français | illustré | "
        "histoire | guerre | cuisine | nature | voyage | littérature | art | jeunesse | "
        "collection",
        "Auteur : {author}. | Langue : français. | Un voyage au coeur de {place}. | "
        "Nombre de pages : {pages}. | L'histoire commence à {place} en {year}. | "
        "Expédition rapide et soignée. | Avec de nombreuses illustrations en couleur. | "
        "Entre {thing_f} et {thing_m}, un texte plein de charme.",
        "the {thing} of {place} | {author} stories | a history of {place} | vol. {n} | {year}",
        "die Geschichte von {place} | Band {n} | {author} | {year}",
    ),
    "games": _pool(
        "{hero} {sequel} | {hero} | {platform} {hero} | {hero} pour {platform} | {platform}",
        "{platform} | pour {platform} | version française | {year} | noir | blanc | rouge | "
        "édition limitée | {hero} | officiel | en boîte | sous blister | 1 joueur",
        "Compatible {platform}. | Incarnez {hero} et sauvez {place}. | "
        "Produit testé avant envoi. | De 1 à {n} joueurs. | Sortie en {year}. | "
        "Vendu avec sa boîte et sa notice. | Plongez dans l'univers de {hero}.",
        "{hero} {sequel} | for {platform} | {platform} game | gaming | {hero} edition",
        "{hero} Spiel | für {platform} | {platform} | {hero}",
    ),
    "toys": _pool(
        "{hero} | Coffret {hero} | Jouet {hero} | Set {hero} | {hero} {sequel} | "
        "Collection {hero} | Pack {hero} | {brand} {hero}",
        "{hero} | {size} | dès {n} ans | {colour} | plastique | collection | série {n} | "
        "cadeau anniversaire | édition {year} | idée cadeau noël | enfant | neuf en boîte",
        "Idéal pour offrir à un enfant ou à un collectionneur. | Taille : {size}. | "
        "Matière : plastique ABS de haute qualité. | Inspiré de la série {hero}. | "
        "Ne convient pas aux enfants de moins de 36 mois. | Coloris : {colour}. | "
        "Une belle idée de cadeau pour Noël ou un anniversaire. | Contenu : {n} pièces.",
        "{hero} | {hero} toy | kids gift | {brand} set | collection | {n} pcs | birthday gift",
        "{hero} Spielzeug | Geschenk für Kinder | {n} Teile | {hero}",
    ),
    "baby": _pool(
        "Ensemble bébé {brand} | {brand} bébé | Lot bébé | Coffret naissance {brand} | Set enfant",
        "{colour} | {n} mois | coton | fille | garçon | doux | nouveau-né | naissance | "
        "imprimé {motif} | {size} | mixte | enfant",
        "Doux et confortable pour la peau de bébé. | Matière : coton et polyester. | "
        "Convient à partir de {n} mois. | Lavable en machine à 30 °C. | Couleur : {colour}. | "
        "Un cadeau de naissance apprécié des parents. | Taille : {size}.",
        "baby set | newborn {colour} | infant {brand} | toddler cotton | baby {motif} | for kids",
        "Baby Set | Neugeborene | Kinder {colour} | Baumwolle",
    ),
    "garden": _pool(
        "{brand} extérieur | Kit {brand} | Ensemble {brand} | Lot de {n} {brand} | "
        "Accessoire {brand} | Support {brand} | Housse de protection | Set jardin {brand}",
        "extérieur | jardin | {size} | {colour} | étanche | aluminium | acier galvanisé | "
        "résistant UV | réglable | pliable | pvc | anti-corrosion | terrasse | {n} pièces",
        "Résistant aux intempéries et aux UV. | Dimensions : {size}. | Montage facile. | "
        "Matière : acier et polyéthylène. | Coloris : {colour}. | Poids : {n} kg. | "
        "Parfait pour profiter de votre jardin tout l'été. | Garantie {n} ans.",
        "outdoor {brand} | garden set {colour} | waterproof cover | {n} pcs | {size} | for summer",
        "Garten Set | wasserdicht | {size} | draussen",
    ),
    "home": _pool(
        "{brand} {colour} | Collection {brand} | Ensemble {brand} {motif} | Lot de {n} {brand} | "
        "Modèle {brand} style {style} | {brand} maison",
        "{colour} | {size} | style {style} | {motif} | bois | coton | velours | métal | salon | "
        "chambre | maison | design | moderne | vintage | {style} | doux",
        "Dimensions : {size}. | Coloris : {colour}. | Un style {style} pour votre intérieur. | "
        "Apporte une touche chaleureuse à votre salon ou à votre chambre. | "
        "Matière : coton, bois et métal. | Entretien facile avec un chiffon doux. | "
        "S'accorde à tous les intérieurs. | Motif : {motif}.",
        "home {colour} | {style} style | living room {brand} | bedroom | {size} | {motif} print",
        "Wohnzimmer {colour} | Haus | {size} | {motif} Muster",
    ),
    "daily": _pool(
        "{brand} | Lot de {n} {brand} | Boîte {brand} | Pack {brand} | Assortiment {brand} | "
        "Sachet {brand} | Coffret {brand}",
        "{colour} | lot de {n} | {size} | {weight} | naturel | format familial | boîte | "
        "qualité | "
        "{motif} | sachet | fabriqué en France | recharge",
        "Conditionnement : lot de {n}. | Poids : {weight}. | Marque : {brand}. | "
        "Fabriqué en France. | Conserver dans un endroit sec. | Coloris : {colour}. | "
        "Un produit de qualité pour tous les jours.",
        "{brand} pack | box of {n} | {weight} | assorted {colour} | natural | {size}",
        "{brand} Packung | {n} Stück | {weight} | Sortiment",
    ),
}

TYPE_WORDS: Final[dict[int, Pool]] = {
    10: _pool(
        "Ancien livre {title} | {title} (livre d'occasion) | {title} édition originale {year} | "
        "{title} - reliure cuir | {title} - format poche usagé",
        "édition {year} | reliure d'éditeur | poche ancien | exemplaire d'occasion | "
        "non massicoté | "
        "couverture souple usée | rousseurs | ex-libris | imprimerie {author} | numéroté",
        "Exemplaire d'occasion, tranche un peu jaunie. | Reliure solide, quelques rousseurs. | "
        "Couverture défraîchie mais intérieur propre. | Ancien livre de bibliothèque. | "
        "Édition originale de {year}, in-8 broché.",
        "used book | first edition {year} | old hardcover | second hand paperback | rare book",
        "gebrauchtes Buch | antiquarisch | Erstausgabe {year}",
    ),
    2280: _pool(
        "Revue {title} n° {n} | Magazine {thing} n° {n} | "
        "Le journal de {place} n° {n} du {date} | "
        "{title} hebdo n° {n} | La gazette de {place} | Le mensuel du {thing_m}",
        "n° {n} du {date} | revue mensuelle | hebdomadaire | numéro spécial | hors-série | "
        "sommaire | "
        "presse | dossier | supplément | trimestriel | programme télé",
        "Au sommaire : {thing}, {place} et un dossier sur {author}. | Numéro du {date}. | "
        "Revue mensuelle illustrée. | Magazine complet, avec son supplément. | "
        "Un hors-série consacré à {place}.",
        "magazine issue {n} | monthly review | weekly journal {date} | special issue",
        "Zeitschrift Nr. {n} | Heft {date} | Monatsmagazin",
    ),
    2403: _pool(
        "Lot de {n} livres {title} | Lot {n} BD {hero} | {hero} - manga tomes 1 à {n} | "
        "Intégrale {title} en {n} volumes | Lot revues {title} {year} | {hero} coffret mangas",
        "lot de {n} | tomes 1 à {n} | bande dessinée | manga | complet en {n} volumes | "
        "intégrale | "
        "série complète | comics | BD | les {n} tomes | coffret | partition",
        "Lot de {n} tomes en bon état. | Série complète en {n} volumes. | "
        "Bandes dessinées cartonnées. | Mangas en sens de lecture original. | "
        "Vendus ensemble, ne se séparent pas.",
        "lot of {n} books | comics bundle | manga vol. 1-{n} | complete series",
        "Sammlung {n} Bücher | Comics Paket | Bände 1-{n}",
    ),
    2705: _pool(
        "{title} - le nouveau roman de {author} | {title} (broché) | Essai : {title} | "
        "{title}, grand format | {title} - manuel et exercices | Guide pratique : {title}",
        "broché | grand format | roman | parution {year} | essai | préface de {author} | neuf | "
        "guide pratique | manuel | prix des lecteurs | livre neuf | biographie",
        "Un roman bouleversant, salué par la critique. | L'auteur nous livre un essai lumineux. | "
        "Parution en librairie : mars {year}. | Dans cet ouvrage, {author} explique sa méthode. | "
        "Une enquête haletante entre {place} et {place}.",
        "new novel by {author} | paperback release | bestselling essay | a practical guide",
        "Neuer Roman von {author} | Taschenbuch neu | Ratgeber",
    ),
    40: _pool(
        "{hero} - import {region} {platform} | {hero} import japonais | {hero} version {region} | "
        "{hero} {sequel} [import anglais] | Jeu {hero} PAL UK {platform}",
        "import {region} | version japonaise | NTSC | jeu en anglais | PAL UK | import anglais | "
        "import allemand | jeu vidéo importé | zone libre | édition day one {region}",
        "Jeu importé, langue du jeu : anglais. | "
        "Version {region}, jouable sur toutes les consoles. | "
        "Import : jaquette et notice en anglais. | Attention, jeu NTSC. | "
        "[import {region}] jeu multilingue.",
        "{hero} UK import | japanese version | NTSC game | region free game | video game {region}",
        "{hero} deutsche Version | Import Spiel | USK Fassung",
    ),
    50: _pool(
        "Manette sans fil {platform} | Chargeur {platform} | Câble HDMI {platform} | "
        "Casque gamer {brand} | Coque de protection {platform} | Volant {brand} | "
        "Station de charge manettes | Joystick {brand} | Batterie manette {platform}",
        "manette | sans fil | bluetooth | câble {size} | housse | silicone | grip | coque | "
        "chargeur | "
        "adaptateur | skin sticker | casque micro | volant | support | batterie rechargeable",
        "Manette ergonomique avec double vibration. | Câble de {size} pour recharger en jouant. | "
        "Casque avec micro amovible. | Coque en silicone antidérapant. | "
        "Station de charge pour deux manettes. | Autonomie de {n} heures.",
        "wireless controller | charging dock | HDMI cable | gaming headset | silicone case | grip",
        "Controller kabellos | Ladestation | Schutzhülle | Kabel {size}",
    ),
    60: _pool(
        "Console {platform} {capacity} | Console portable {brand} | "
        "Console rétro {n} jeux intégrés | "
        "Borne arcade {brand} | Pack console {platform} + {hero} | Mini console {brand}",
        "console {capacity} | {capacity} | console portable | écran {n} pouces | jeux intégrés | "
        "console de salon | rétro | arcade | 8 bits | sortie TV | carte SD",
        "Console de salon avec disque dur de {capacity}. | Écran LCD couleur de {n} pouces. | "
        "Console rétro avec {pages} jeux intégrés. | Se branche directement sur le téléviseur. | "
        "Borne d'arcade avec deux joysticks.",
        "handheld console | retro console {pages} games | console {capacity} | arcade machine",
        "Spielkonsole {capacity} | Handheld Konsole | Retro Konsole",
    ),
    2462: _pool(
        "Lot {platform} et jeux | {platform} d'occasion + manette | {hero} {platform} occasion | "
        "Lot de {n} jeux {platform} | {platform} avec jeux, bon état | "
        "Ancien jeu {hero} {platform}",
        "occasion | bon état | lot de {n} jeux | complet | sans notice | reconditionné | "
        "avec boîte | "
        "loose | testé fonctionne | rayures | cartouche seule",
        "Console d'occasion, testée et nettoyée. | Quelques rayures sans effet sur le jeu. | "
        "Lot de {n} jeux en bon état. | Cartouche seule, sans boîte ni notice. | "
        "Vendu avec ses câbles et une manette.",
        "used {platform} bundle | lot of {n} games used | pre-owned | cartridge only",
        "{platform} gebraucht | Spiele Paket | Modul ohne OVP",
    ),
    2905: _pool(
        "{hero} - clé PC | {hero} {sequel} [code de téléchargement] | {hero} PC Digital | "
        "Jeu PC {hero} à télécharger | {hero} : extension DLC",
        "téléchargement | clé d'activation | PC | code | DLC | Windows | dématérialisé | "
        "édition numérique | saison pass | envoi par email",
        "Clé d'activation envoyée par email. | Jeu à télécharger, aucun support physique. | "
        "Configuration requise : Windows 10, {n} Go de RAM. | "
        "Code valable sur la plateforme du vendeur. | Contenu additionnel pour le jeu de base.",
        "{hero} PC download | game key | digital code | season pass | DLC pack",
        "{hero} PC Download | Aktivierungscode | Digital Version",
    ),
    1140: _pool(
        "Figurine {hero} {size} | Statue {hero} | Figurine articulée {hero} | Porte-clés {hero} | "
        "Mug {hero} | Peluche {hero} {size} | Réplique {hero} | Buste {hero}",
        "figurine | statuette | articulée | résine | porte-clés | édition collector | "
        "produit dérivé | "
        "sous licence | vinyle | mug | diorama | réplique",
        "Figurine en vinyle de {size}, vendue en boîte fenêtre. | Statue en résine peinte. | "
        "Figurine articulée avec accessoires et socle. | "
        "Produit dérivé sous licence officielle. | "
        "Mug en céramique à l'effigie de {hero}.",
        "{hero} action figure | vinyl figure | collectible statue | keychain | plush",
        "{hero} Sammelfigur | Actionfigur | Schlüsselanhänger",
    ),
    1160: _pool(
        "Carte {hero} {n}/{pages} | {hero} - carte rare VF | Booster {hero} | Deck {hero} | "
        "Carte à collectionner {hero} | {hero} carte holo {n}/{pages} | Display {hero}",
        "carte | {n}/{pages} | holo | rare | VF | commune | ultra rare | booster | deck | foil | "
        "reverse | pv {n}0 | trading card | secret rare",
        "Carte à jouer et à collectionner, version française. | Carte rare brillante. | "
        "État : proche du neuf, sortie de booster. | Carte n° {n}/{pages} de la série {hero}. | "
        "Deck prêt à jouer de 60 cartes.",
        "{hero} card {n}/{pages} | holo rare | trading card | booster pack | foil",
        "{hero} Karte {n}/{pages} | Sammelkarte deutsch | selten",
    ),
    1180: _pool(
        "{hero} - miniatures {n} mm | Dés {hero} {n} faces | Livre de règles {hero} | "
        "Armée {hero} {brand} | Figurines à peindre {hero} | Déguisement {hero} | Masque {hero}",
        "jeu de rôle | miniatures | à peindre | {n} faces | wargame | étain | escarmouche | "
        "donjon | "
        "armée | codex | déguisement | plateau | régiment | livre de règles | cosplay",
        "Miniatures en plastique à monter et à peindre. | Livret de règles de {pages} pages. | "
        "Dés de jeu de rôle à {n} faces. | Pour le maître de jeu et {n} aventuriers. | "
        "Déguisement avec masque et cape.",
        "tabletop miniatures | role playing dice | wargame army | rulebook | cosplay costume",
        "Miniaturen Rollenspiel | Würfel Set | Regelbuch",
    ),
    1280: _pool(
        "Peluche {hero} | Poupée {brand} | Petite voiture {brand} | Jouet d'éveil {brand} | "
        "Briques {hero} | Garage {brand} | Dînette {brand} | Camion de pompiers | "
        "Circuit {brand} | Doudou {motif} | Slime {colour} | Instrument de musique enfant",
        "jouet | peluche | poupée | éveil | briques | musical | à piles | voiture | montessori | "
        "magnétique | pâte à modeler | loisirs créatifs | imitation | en bois",
        "Jouet d'éveil qui développe la motricité. | Peluche toute douce à câliner. | "
        "Fonctionne avec {n} piles. | Jeu de construction de {pages} briques. | "
        "Les enfants inventent mille histoires avec cette poupée.",
        "plush {hero} | building bricks | educational toy | doll | toy car | slime",
        "Plüschtier {hero} | Bausteine | Puppe | Spielzeugauto",
    ),
    1281: _pool(
        "Jeu de société {hero} | Puzzle {hero} {pages} pièces | Jeu de cartes {brand} | "
        "Jeu de plateau {title} | Échiquier {brand} | Casse-tête {brand} | Quiz {thing} | "
        "Loto {motif}",
        "jeu de société | de 2 à {n} joueurs | puzzle | plateau | jeu d'ambiance | pions | "
        "casse-tête | "
        "stratégie | cartes | coopératif | durée {n}0 min | règles en français",
        "Un jeu de société pour 2 à {n} joueurs. | Durée d'une partie : {n}0 minutes. | "
        "Puzzle de {pages} pièces. | "
        "Lancez les dés, avancez vos pions et déjouez vos adversaires. | "
        "Contient un plateau, des cartes et des pions.",
        "board game {hero} | jigsaw puzzle {pages} pieces | card game | party game",
        "Brettspiel {hero} | Puzzle {pages} Teile | Kartenspiel",
    ),
    1300: _pool(
        "Drone {brand} {ref} caméra | Voiture télécommandée {brand} 1/{n} | "
        "Maquette {thing} 1/{n} | "
        "Hélices drone {brand} | Batterie LiPo {n}00 mAh | Locomotive {brand} HO | "
        "Hélicoptère RC {brand} | Moteur brushless {ref} | Avion RC {brand} | Pièce {brand} {ref}",
        "drone | RC | échelle 1/{n} | 2.4 GHz | brushless | quadricoptère | hélices | lipo | "
        "servo | "
        "télécommande | maquette | caméra HD | châssis | miniature 1/{n} | wifi FPV",
        "Quadricoptère avec caméra HD et retour vidéo. | Échelle : 1/{n}. | "
        "Batterie LiPo, autonomie de {n} minutes. | Radiocommande 2,4 GHz fournie. | "
        "Maquette à monter et à coller. | Moteur brushless pour modélisme.",
        "RC drone {ref} | quadcopter propeller | brushless motor | scale 1/{n} model | "
        "rc car parts",
        "RC Drohne {ref} | Modellbau 1/{n} | Ersatzteil {brand}",
    ),
    1301: _pool(
        "Chaussettes bébé {motif} | Bavoir {motif} | Body bébé {colour} | Baby-foot {brand} | "
        "Bonnet naissance {colour} | Chaussons {motif} | Fléchettes {brand} | Mini billard",
        "chaussettes | body | bavoir | bonnet | pyjama | chaussons | antidérapant | baby-foot | "
        "fléchettes | robe | gants | manches longues | taille {n} mois",
        "Chaussettes antidérapantes pour les premiers pas. | "
        "Body à manches longues et pressions. | "
        "Baby-foot de table avec {n} balles. | Bonnet tricoté pour l'hiver. | "
        "Jeu de fléchettes avec cible.",
        "baby socks | bodysuit | knitted hat | baby shoes | table football",
        "Babysocken | Strampler | Mütze | Tischfussball",
    ),
    1320: _pool(
        "Poussette {brand} | Siège auto {brand} | Biberon {brand} | Lit parapluie {brand} | "
        "Tapis d'éveil {motif} | Sac à langer {colour} | Babyphone {brand} | Veilleuse {motif} | "
        "Chaise haute {brand} | Gigoteuse {motif} | Coussin d'allaitement | Barrière de sécurité",
        "poussette | siège auto | biberon | sac à langer | tétine | babyphone | gigoteuse | "
        "matelas | "
        "tour de lit | barrière | allaitement | chaise haute | porte-bébé | sécurité | couches",
        "Poussette pliable d'une seule main. | Biberon anti-colique sans BPA. | "
        "Sac à langer avec de nombreuses poches. | Babyphone avec caméra et vision nocturne. | "
        "Siège auto homologué, groupe 1. | Matelas à langer imperméable.",
        "baby stroller | diaper bag | baby monitor | feeding bottle | car seat | crib bumper",
        "Kinderwagen | Wickeltasche | Babyphone | Fläschchen",
    ),
    1302: _pool(
        "Trampoline {brand} {size} | Trottinette {brand} | Vélo enfant {n} pouces | "
        "Ballon de football {brand} | Table de ping-pong | Canne à pêche {brand} | "
        "Leurre pêche {colour} | Balançoire {brand} | Tente {brand} | Skateboard {motif} | "
        "Toboggan",
        "trampoline | trottinette | pêche | ballon | tir à l'arc | balançoire | camping | vélo | "
        "skateboard | toboggan | leurre | roues {n}0 mm | tente | randonnée | sport",
        "Trampoline avec filet de sécurité. | Trottinette pliable à deux roues. | "
        "Leurre réaliste pour la pêche au brochet. | Ballon cousu main. | "
        "Balançoire pour deux enfants.",
        "fishing lure | kids scooter | trampoline net | football | camping tent | skateboard",
        "Angelköder | Roller Kinder | Trampolin | Zelt",
    ),
    2582: _pool(
        "Salon de jardin {brand} | Parasol déporté {colour} {size} | Transat {brand} | "
        "Table de jardin {brand} | Tonnelle {size} | Coussin de palette {colour} | "
        "Hamac {colour} | "
        "Balancelle {brand} | Voile d'ombrage {size} | Banc {brand} | Bain de soleil",
        "salon de jardin | parasol | résine tressée | chaise longue | tonnelle | table | "
        "{n} places | "
        "banc | hamac | fauteuil | coussins inclus | teck | voile d'ombrage",
        "Salon de jardin en résine tressée {n} places. | Parasol inclinable avec manivelle. | "
        "Table extensible en aluminium. | Coussins déhoussables inclus. | "
        "Tonnelle avec moustiquaires.",
        "garden furniture set | parasol {colour} | sun lounger | gazebo {size} | hammock",
        "Gartenmöbel Set | Sonnenschirm | Liege | Pavillon",
    ),
    2583: _pool(
        "Piscine {brand} {size} | Pompe piscine {brand} | Bâche piscine {size} | "
        "Robot piscine {brand} | Filtre à sable {brand} | Spa gonflable {brand} | "
        "Échelle piscine {n} marches | Liner {size} | Chlore {weight} | Bâche à bulles {size} | "
        "Projecteur LED piscine | Électrolyseur {brand} | Tuyau flottant {size}",
        "piscine | pompe | filtration | hors-sol | tubulaire | liner | chlore | skimmer | spa | "
        "bâche | "
        "robot | m3/h | gonflable | cartouche | enterrée | hivernage | traitement de l'eau | buse",
        "Piscine hors-sol tubulaire, hauteur {size}. | "
        "Pompe de filtration d'un débit de {n} m3/h. | "
        "Bâche à bulles qui réchauffe l'eau du bassin. | Robot nettoyeur pour fond et parois. | "
        "Pour une eau limpide pendant tout l'été. | Convient aux bassins jusqu'à {n}0 m3.",
        "swimming pool pump | pool cover {size} | pool filter cartridge | inflatable spa",
        "Schwimmbad Pumpe | Pool Abdeckung {size} | Filterkartusche",
    ),
    2585: _pool(
        "Tondeuse {brand} | Perceuse {brand} {ref} | Serre {size} | Tuyau d'arrosage {size} | "
        "Sécateur {brand} | Tronçonneuse {brand} | Barbecue {brand} | "
        "Outil multifonction {brand} | "
        "Graines {motif} | Pot de fleurs {size} | Arrosage goutte à goutte | "
        "Lampe solaire {brand}",
        "outil | arrosage | tondeuse | perceuse | lame | serre | jardinage | motoculteur | "
        "batterie 18V | "
        "tuyau | bricolage | graines | visserie | gazon | abri | chaîne | désherbeur | "
        "carburateur",
        "Lame en acier trempé pour une coupe nette. | Perceuse avec {n} vitesses. | "
        "Tuyau d'arrosage extensible de {size}. | Pour la taille des haies et du gazon. | "
        "Moteur deux temps de {n}0 cm3.",
        "lawn mower | cordless drill | garden hose {size} | pruning shears | chainsaw part",
        "Rasenmäher | Bohrmaschine | Gartenschlauch {size} | Säge",
    ),
    1560: _pool(
        "Canapé {brand} {colour} | Table basse {style} | Chaise {style} | Meuble TV {brand} | "
        "Bibliothèque {brand} | Lit {size} | Matelas {brand} {size} | Tabouret {brand} | "
        "Armoire {brand} | Commode {n} tiroirs | Bureau {style} | Fauteuil {brand} | "
        "Buffet {style}",
        "canapé | table | chaise | {n} tiroirs | étagère | convertible | pieds en métal | "
        "meuble | lit | "
        "matelas | mélaminé | tabouret de bar | armoire | assise | angle | rangement",
        "Meuble à monter soi-même, notice fournie. | Canapé convertible {n} places. | "
        "Plateau en MDF et pieds en métal. | Commode avec {n} tiroirs. | "
        "Matelas à mémoire de forme. | Assise rembourrée en mousse.",
        "coffee table | sofa {colour} | office chair | bookcase | tv stand | mattress {size}",
        "Couchtisch | Sofa {colour} | Bürostuhl | Regal | Matratze",
    ),
    1920: _pool(
        "Housse de coussin {motif} {size} | Parure de lit {size} | Rideau {colour} {size} | "
        "Plaid {colour} | Taie d'oreiller {motif} | Drap housse {size} | Couette {size} | "
        "Nappe {motif} | Serviette de bain {colour} | Jeté de canapé {colour}",
        "housse | taie | parure | rideau occultant | drap | couette | coussin | nappe | "
        "polyester | "
        "œillets | {n} fils | fermeture éclair | oreiller | lin lavé | satin | plaid",
        "Housse de coussin à fermeture éclair invisible. | Parure avec deux taies d'oreiller. | "
        "Rideaux occultants à œillets. | Plaid tout doux pour l'hiver. | "
        "Drap en percale de coton. | Le coussin intérieur n'est pas inclus.",
        "cushion cover {motif} | pillow case | duvet cover | blackout curtain | throw blanket",
        "Kissenbezug {motif} | Bettwäsche | Vorhang | Decke",
    ),
    2060: _pool(
        "Sticker mural {motif} | Tableau toile {motif} | Guirlande lumineuse {size} | "
        "Vase {style} | "
        "Horloge murale {style} | Lampe {style} | Cadre photo {size} | Bougie {motif} | "
        "Sapin de Noël {size} | Papier peint {motif} | Tapis {motif} {size} | Miroir {style}",
        "décoration | mural | sticker | LED | guirlande | tableau | vase | horloge | noël | "
        "toile | "
        "ornement | miroir | bougie | tapis | suspension | statue déco | fleur artificielle",
        "Sticker mural facile à coller et à décoller. | Toile imprimée tendue sur châssis. | "
        "Guirlande à {n}0 LED blanc chaud. | Horloge silencieuse. | "
        "Décoration de table pour mariage ou Noël. | Vase en verre soufflé.",
        "wall sticker {motif} | LED string lights | canvas painting | wall clock | vase | ornament",
        "Wandtattoo {motif} | Lichterkette | Wanduhr | Vase",
    ),
    1940: _pool(
        "Café en grains {brand} | Thé vert {brand} | Biscuits {brand} | "
        "Chocolat {brand} {weight} | "
        "Confiture {brand} | Bonbons {brand} | Huile d'olive {weight} | Épices {brand} | "
        "Miel {weight}",
        "goût {flavour} | bio | {flavour} | {weight} | sans sucre | arôme | ingrédients | "
        "gourmand | "
        "moulu | capsules | sachets | apéritif",
        "Ingrédients : sucre, {flavour}, arôme naturel. | "
        "À consommer de préférence avant {year}. | "
        "Une recette gourmande au goût {flavour}. | Valeurs nutritionnelles pour 100 g. | "
        "Café torréfié à l'ancienne.",
        "roasted coffee | green tea {flavour} | chocolate {weight} | organic honey",
        "Kaffeebohnen | Tee {flavour} | Schokolade {weight}",
    ),
    2220: _pool(
        "Collier chien {colour} | Litière chat {weight} | Niche {brand} | Laisse {brand} {size} | "
        "Panier pour chien {size} | Arbre à chat {size} | Gamelle {brand} | Aquarium {brand} | "
        "Jouet pour chat {brand} | Harnais {colour}",
        "chien | chat | animaux | collier | laisse | croquettes | aquarium | griffoir | chiot | "
        "anti-puces | gamelle | oiseau | lapin | taille {letter}",
        "Pour chien et chat de toutes tailles. | Collier réglable avec clochette. | "
        "Votre animal sera au chaud dans ce panier. | Arbre à chat avec griffoir en sisal. | "
        "Gamelle antidérapante en inox.",
        "dog collar {colour} | cat toy | pet bed {letter} | dog leash | aquarium pump",
        "Hundehalsband | Katzenspielzeug | Hundebett {letter}",
    ),
    2522: _pool(
        "Carnet {motif} {format} | Stylo plume {brand} | Stylos gel lot de {n} | Agenda {year} | "
        "Classeur {format} {colour} | Papier photo {format} | Feutres {brand} | Trousse {motif} | "
        "Enveloppes {format} | Cahier {format} {pages} pages | Étiquettes {brand} | "
        "Tampon {motif}",
        "stylo | carnet | {format} | papier | {pages} feuilles | classeur | encre {colour} | "
        "agenda | "
        "cahier | marqueur | pointe fine | adhésif | crayon | bureau | scrapbooking | spirale",
        "Carnet de {pages} pages lignées. | Stylo à encre gel, pointe de 0,5 mm. | "
        "Papier {format} de {pages} g/m². | Classeur à anneaux pour documents {format}. | "
        "Pour l'école ou le bureau.",
        "notebook {format} | gel pen | paper sheets {format} | markers set | planner {year}",
        "Notizbuch {format} | Kugelschreiber | Papier {format} | Ordner",
    ),
}

VAGUE: Final[dict[str, str]] = {
    "fr": "Article {brand} {ref} | {brand} {ref} | Modèle {ref} {colour} | {brand} réf. {ref} | "
    "Produit neuf {brand} {ref} | {brand} - {ref} - {colour} | Lot {brand} | Réf {ean}",
    "en": "{brand} {ref} new | {brand} item {ref} | model {ref} {colour} | {brand} {ean}",
    "de": "{brand} {ref} neu | Artikel {ref} {brand} | Modell {ref}",
}
"""Titles that say next to nothing, per language, to be split on ``|``."""

EXTRAS: Final[dict[str, str]] = {
    "fr": "neuf | {colour} | {size} | {ref} | {ean} | lot de {n} | livraison gratuite | {brand} | "
    "promo | - {brand} | haute qualité | réf. {ref} | ( {colour} )",
    "en": "new | {colour} | {size} | {ref} | free shipping | {brand} | high quality | {n} pcs",
    "de": "neu | {colour} | {size} | {ref} | {brand} | hochwertig | kostenloser Versand",
}
"""Words any listing may end with, per language."""

SENTENCES: Final[dict[str, str]] = {
    "fr": "Livraison rapide et soignée. | Article neuf, vendu par un professionnel. | "
    "Référence : {ref}. | Marque : {brand}. | Code EAN : {ean}. | Satisfait ou remboursé. | "
    "N'hésitez pas à nous contacter pour toute question. | Photo non contractuelle. | "
    "La couleur peut varier légèrement selon l'écran. | Envoi sous {n} jours ouvrés.",
    "en": "100% brand new and high quality. | Colour: {colour}. | Size: {size}. | "
    "Package included: {n} x {brand}. | Please allow a small error due to manual measurement. | "
    "Reference: {ref}. | Don't hesitate to contact us.",
    "de": "Neu und in hoher Qualität. | Farbe: {colour}. | Grösse: {size}. | "
    "Lieferumfang: {n} x {brand}. | Artikelnummer: {ref}.",
}
"""Sentences any description may hold, per language."""

BRANDS: Final[dict[str, tuple[str, ...]]] = {
    "books": _split("Éditions Valmor | Plume d'Ocre | Rivage Clair | Libris Nord | Papyrus Vert"),
    "games": _split("Kyrox | Gamelia | PixNord | Tornax | Volt&Co | Arkadyo | Nimbyte"),
    "toys": _split("Zoubidou | Kidoprim | Figurax | Mondoludo | Hoverix | Tikalou | Brikano"),
    "baby": _split("Doudelin | Mimilune | P'tit Nuage | Babiloo | Câlinette"),
    "garden": _split(
        "Aquaverde | Solarbre | Jardibelle | Bassinox | Terravive | Ombrélia | Floréo"
    ),
    "home": _split("Maisonel | Nordika | Casalune | Textivo | Atelier Brume | Lumeo | Vintaro"),
    "daily": _split("Quotidia | Bonami | Terroir d'Ici | Papélia | Animalou | Grand Marché"),
    "any": _split("Génératis | OEM | Sans marque | Proxima | Unitec | Eurodis | Delmax"),
}
"""Invented brands of each group; ``any`` serves all of them."""

_HEROES = (
    "Capitaine Braise | Les Mécanoïdes | Dragonelle | Zarkan | Princesse Opaline | Robo Tigre | "
    "Légende d'Astrior | Monstrimon | Ninja Lune | Galaxie Perdue | Bestiaria | Turbo Lynx | "
    "Chevaliers du Givre | Mystik Academy | Yokado | Le Clan des Loups | Stellar Drift"
)

SLOTS: Final[dict[str, tuple[str, ...]]] = {
    "hero": _split(_HEROES),
    "sequel": _split("2 | II | III | : la revanche | 3D | Origins | Evolution | Remastered | "
                     "Deluxe"),
    "platform": _split("Polystar 3 | Polystar 4 | Xenon One | Xenon 360 | Nebula Duo | "
                       "Nebula 64 | "
                       "Wavecube | Pocket Wave | Megadisc"),
    "region": _split("japonaise | anglaise | UK | US | allemande | JAP"),
    "capacity": _split("250 Go | 500 Go | 1 To | 64 Go | 32 Go"),
    "thing": _split("rivière | jardin | secret | lumière | montagne | chemin | train | avion | "
                    "loup | "
                    "voilier | musique | machine | vin | peintre | forêt | lettre"),
    "thing_en": _split("river | garden | secret | light | mountain | sea | train | wolf | forest"),
    "thing_f": _split("rivière | lumière | montagne | mer | musique | machine | forêt | lettre"),
    "thing_m": _split("jardin | secret | chemin | silence | train | loup | voilier | peintre"),
    "place": _split("Valmont | Port-Brume | Sainte-Aubaine | Carvenne | l'île d'Orsa | Montclar | "
                    "Lutèce | la vallée d'Ys | Bellerive | Tormeil"),
    "author": _split("Émile Zola | J. Verne | Victor Hugo | George Sand | "
                     "Honoré de Balzac | Alexandre Dumas | Théophile Gautier | "
                     "Guy de Maupassant | C. Perrault | Gérard de Nerval | "
                     "Jean Racine"),
    "title": _split("Le secret de {place} | La {thing_f} oubliée | Au bord de la {thing_f} | "
                    "Les enfants de {place} | L'ombre et la {thing_f} | Une {thing_f} à {place} | "
                    "Le dernier {thing_m} | Histoire de {place} | Le {thing_m} et la {thing_f} | "
                    "Le goût de la {thing_f} | Comprendre la {thing_f} | Retour à {place}"),
    "date": _split("12/03/1987 | 01/06/2004 | 23/11/1968 | 15/09/2011 | 30/01/1995 | 07/07/1977"),
    "motif": _split("étoiles | fleurs | chat | feuilles | géométrique | licorne | hibou | "
                    "rayures | "
                    "mandala | tropical | ours | nuages"),
    "style": _split("scandinave | industriel | vintage | baroque | rustique | moderne | bohème"),
    "flavour": _split("vanille | noisette | citron | fraise | caramel | menthe | cannelle"),
    "format": _split("A4 | A5 | A6 | 10x15 | A3"),
    "weight": _split("250 g | 500 g | 1 kg | 5 kg | 75 cl | 1 L | 100 g"),
    "letter": _split("XS | S | M | L | XL | XXL"),
    "colour": _split("noir | blanc | rouge | bleu | vert | gris | rose | beige | marron | jaune | "
                     "violet | argenté | multicolore | turquoise"),
    "colour_en": _split("black | white | red | blue | green | grey | pink | beige | gold"),
    "colour_de": _split("schwarz | weiss | rot | blau | grün | grau"),
}  # fmt: skip
"""Values of the slots that are drawn from a list; numbers and references are made up."""
